"""Rails: the guards that hold for a call, as its tenant's, project's, key's and model's policies say together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from services.serving.domain.verdict import Stage
from services.serving.guards.catalogue import Catalogue
from services.serving.guards.port import Judge, Marker, Referee
from services.serving.guards.rail import Rail
from shared.errors import Invalid, Unavailable
from shared.live import Caller, LiveView
from shared.policy import Guardrail, Policy

log = structlog.get_logger()

# The sets of policies whose rails are kept built: keys times models that are in use.
MAX_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class Rails:
    """The guards of one direction, in the order in which policies name them, by what they are."""

    markers: Sequence[tuple[Rail, Marker]] = ()
    judges: Sequence[tuple[Rail, Judge]] = ()
    referees: Sequence[tuple[Rail, Referee]] = ()

    def __bool__(self) -> bool:
        return bool(self.markers or self.judges or self.referees)

    def deciding(self) -> "Rails":
        """Those by which a piece of a text is changed or kept back: they decide what may be sent."""
        return Rails([pair for pair in self.markers if pair[0].action != "flag"])

    def looking(self) -> "Rails":
        """Those that look at whole texts, or only look."""
        flagging = [pair for pair in self.markers if pair[0].action == "flag"]
        return Rails(flagging, self.judges, self.referees)


@dataclass(frozen=True, slots=True)
class Path:
    """The guards of a call: of what is asked, and of what is answered."""

    asked: Rails = field(default_factory=Rails)
    answered: Rails = field(default_factory=Rails)


class Switchyard:
    """Finds the rails of a call.

    Policies only add: what a tenant's says holds whatever the policies of its projects, keys and models
    say. A guard that is said twice with the same words is there once. A guard that cannot be built
    refuses the call: a control that is not there is not passed by.
    """

    def __init__(self, live: LiveView, catalogue: Catalogue) -> None:
        self._live = live
        self._catalogue = catalogue
        self._paths: dict[tuple[str, str, str, str], tuple[Sequence[Policy], Path]] = {}

    def path(self, caller: Caller, model: str) -> Path:
        """The guards of a caller's call to a public model. Raises `Unavailable` when one cannot be built."""
        policies = self._live.policies(caller, model)
        path = self._kept(caller, model, policies)
        if path is not None:
            return path
        path = self._built(policies)
        if len(self._paths) >= MAX_KEPT:
            self._paths.clear()
        self._paths[_key(caller, model)] = (policies, path)
        return path

    def built(self, caller: Caller, model: str) -> bool:
        """Whether `path` has nothing to build: guards may read models, or learn from examples."""
        return self._kept(caller, model, self._live.policies(caller, model)) is not None

    def _kept(self, caller: Caller, model: str, policies: Sequence[Policy]) -> Path | None:
        if not any(policy.guardrails for policy in policies):
            return NO_GUARDS
        kept = self._paths.get(_key(caller, model))
        return kept[1] if kept is not None and all(map(_is, kept[0], policies)) else None

    def _built(self, policies: Sequence[Policy]) -> Path:
        said = {_written(each): each for policy in policies for each in policy.guardrails}
        try:
            built = [(each, self._catalogue.rail(each)) for each in said.values()]
        except Invalid as fault:
            log.error("guardrail.misconfigured", reason=fault.message)
            raise Unavailable(
                "A guardrail of this call's policies cannot be built, so the call is not made: "
                f"{fault.message}",
                code="guardrail_misconfigured",
            ) from fault
        return Path(rails_of("input", built), rails_of("output", built))


def rails_of(stage: Stage, built: Sequence[tuple[Guardrail, Rail]]) -> Rails:
    """The rails of one direction, of what policies say and what was built of it."""
    rails = [rail for each, rail in built if stage in each.on]
    return Rails(
        markers=[(rail, rail.guard) for rail in rails if isinstance(rail.guard, Marker)],
        judges=[(rail, rail.guard) for rail in rails if isinstance(rail.guard, Judge)],
        referees=[(rail, rail.guard) for rail in rails if isinstance(rail.guard, Referee)],
    )


def _key(caller: Caller, model: str) -> tuple[str, str, str, str]:
    return caller.tenant, caller.project, caller.key_id, model


def _is(one: Policy, other: Policy) -> bool:
    return one is other


def _written(guardrail: Guardrail) -> bytes:
    return msgspec.json.encode(guardrail, order="deterministic")


NO_GUARDS = Path()
