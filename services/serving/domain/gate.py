"""The one gate before every upstream: an ordered list of checks, each of which lets a call pass or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Request
from services.serving.domain.verdict import Verdict
from shared.errors import Denied, Invalid, NotFound
from shared.interactions import Context, Interaction
from shared.live import Caller, LiveView


@dataclass(frozen=True, slots=True)
class End:
    """What a call came to, and what that cost (None: not known). No interaction: nothing was asked."""

    interaction: Interaction | None
    cost_usd: Decimal | None = None


class Hold(Protocol):
    """Something that a call holds from the gate until its end: a place, a reservation."""

    async def settle(self, end: End) -> None:
        """Give it back, or take what was used of it. Called once, and raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed request at the gate: whose it is, what it asks, and what it belongs to.

    `holds` are settled when the call ends, `headers` told on its reply, `verdicts` recorded with it.
    """

    interaction_id: str
    caller: Caller
    request: Request
    context: Context
    timeout_seconds: float | None = None
    holds: tuple[Hold, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    def changed(self, *, request: Request | None = None, context: Context | None = None) -> "Entry":
        """The same entry, asking something else or belonging to something else."""
        return replace(self, request=request or self.request, context=context or self.context)

    def holding(self, hold: Hold) -> "Entry":
        """The same entry, with one hold more."""
        return replace(self, holds=(*self.holds, hold))

    def telling(self, headers: Mapping[str, str]) -> "Entry":
        """The same entry, with more headers for its reply."""
        return replace(self, headers={**self.headers, **headers})

    def judging(self, verdict: Verdict) -> "Entry":
        """The same entry, with one verdict more."""
        return replace(self, verdicts=(*self.verdicts, verdict))


class Check(Protocol):
    """One condition that a call must meet before an upstream is asked."""

    async def admit(self, entry: Entry) -> Entry:
        """The entry, changed where the check changes what is asked (a redaction, a resolved prompt).

        Raises the `LeewayError` that refuses the call. Checks run in order, and each sees what the
        ones before it made of the entry; nothing has been asked, stored or spent yet.
        """
        ...


class Gate:
    """Every check in order; the first refusal is the answer."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks

    async def admit(self, entry: Entry) -> Entry:
        """The entry as every check left it. Raises the refusal of the first that refuses; nothing is held then."""
        admitted = False
        try:
            for check in self._checks:
                entry = await check.admit(entry)
            admitted = True
        finally:
            if not admitted:
                await settle(entry.holds, _NOTHING)
        return entry


async def settle(holds: Sequence[Hold], end: End) -> None:
    """Settle what a call held, the last taken first."""
    for hold in reversed(holds):
        await hold.settle(end)


_NOTHING = End(None)


class ScopeHeld:
    """The key may call models."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def admit(self, entry: Entry) -> Entry:
        if self._scope not in entry.caller.scopes:
            raise Denied(f"The API key lacks the scope '{self._scope}'.")
        return entry


class EnvironmentKnown:
    """The environment that a call names is one of its tenant's."""

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        fault = self._live.misplaced(entry.caller, entry.context.environment)
        if fault:
            raise Invalid(f"environment: {fault}.", param="environment", code="unknown_environment")
        return entry


def refuse_unknown_model(tree: JsonObject, live: LiveView) -> None:
    """Raise `NotFound` for a model that is not live, whatever else is wrong with the request.

    OpenAI answers in this order; a name that is none is left to the reading of the fields.
    """
    model = tree.get("model")
    if isinstance(model, str) and model and model not in live.models:
        raise no_such_model(model)


def no_such_model(name: str) -> NotFound:
    """The refusal of a model name that is not live."""
    return NotFound(
        f"The model {name[:256]!r} does not exist here; GET /v1/models lists those that do.",
        code="model_not_found",
    )
