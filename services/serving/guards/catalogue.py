"""The guards that there are: those of the house, and those that installed packages bring."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import msgspec

from services.serving.guards.answer_schema import AnswerSchema
from services.serving.guards.deny_list import DenyList
from services.serving.guards.injection import PromptInjection
from services.serving.guards.personal import PersonalData, Secrets
from services.serving.guards.port import Judge, Maker, Marker, Referee
from services.serving.guards.rail import Rail
from services.serving.guards.topics import Topics
from services.serving.guards.utterances import Voice
from shared.embedding import Embedder
from shared.errors import Invalid
from shared.policy import Guardrail

GROUP = "leeway.guards"
MAX_KEPT = 1_024


class Catalogue:
    """Makes guards by the names that policies give them; each is made once and shared by all calls.

    A package brings a guard as an entry point of the group `leeway.guards`, whose name is the guard's kind.
    It is loaded when a policy first names it. The names of the house are not to be taken.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._makers: Mapping[str, Maker] = {
            "pii": PersonalData,
            "secrets": Secrets,
            "deny_list": DenyList,
            "prompt_injection": PromptInjection,
            "topics": lambda options: Topics(options, embedder),
            "json_schema": AnswerSchema,
        }
        self._built: dict[bytes, Rail] = {}

    def rail(self, guardrail: Guardrail) -> Rail:
        """The guard that a policy names, with what is done about its finds. Raises `Invalid`."""
        at = msgspec.json.encode(guardrail, order="deterministic")
        kept = self._built.get(at)
        if kept is not None:
            return kept
        if len(self._built) >= MAX_KEPT:
            self._built.clear()
        rail = self._built[at] = self._made(guardrail)
        return rail

    def _made(self, guardrail: Guardrail) -> Rail:
        voices, options = _voices(guardrail)
        guard = self._maker(guardrail.kind)(options)
        if not isinstance(guard, Marker | Judge | Referee):
            raise Invalid(f"What makes the guardrail {guardrail.kind!r} makes no guard.")
        if guardrail.action == "redact" and not isinstance(guard, Marker):
            raise Invalid(
                f"The guardrail {guardrail.kind!r} judges whole texts: it can block or flag, not redact."
            )
        return Rail(
            guardrail.kind, guardrail.action, guard, voices, latest=guardrail.kind in _LATEST
        )

    def _maker(self, kind: str) -> Maker:
        own = self._makers.get(kind)
        if own is not None:
            return own
        found = entry_points(group=GROUP, name=kind)
        if not found:
            raise Invalid(
                f"There is no guardrail {kind!r}: expected one of {', '.join(sorted(self._makers))}, "
                f"or an installed one (entry points of {GROUP!r})."
            )
        return _loaded(next(iter(found)))


def _loaded(point: EntryPoint) -> Maker:
    try:
        maker: Maker = point.load()
    except (ImportError, AttributeError) as fault:
        raise Invalid(f"The guardrail {point.name!r} cannot be loaded: {fault}.") from fault
    return maker


def _voices(guardrail: Guardrail) -> tuple[frozenset[Voice], dict[str, object]]:
    """Whose texts a guard looks at, and the options that are its own."""
    options = dict(guardrail.options)
    named = options.pop("voices", None)
    if named is None:
        return _HEARD.get(guardrail.kind, frozenset(Voice)), options
    if not isinstance(named, list) or not named or not set(named) <= set(Voice):
        raise Invalid(
            f"'voices' of the guardrail {guardrail.kind!r} must be some of {', '.join(Voice)}."
        )
    return frozenset(map(Voice, named)), options


# An application's own words neither attack it nor leave its topics.
_HEARD: Mapping[str, frozenset[Voice]] = {
    "prompt_injection": frozenset((Voice.USER, Voice.TOOL, Voice.MODEL)),
    "topics": frozenset((Voice.USER, Voice.MODEL)),
}
# What was said before was judged when it was said; a short answer to a question is of its topic.
_LATEST = frozenset(("topics",))
