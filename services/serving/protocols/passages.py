"""An answer as passages, one behind the other, as Messages and Responses tell it; a chat tells it by members."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.serving.domain.answer import joined
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.protocols.pieces import Pieces
from shared.ids import new_id


class PassageKind(StrEnum):
    """What a passage is made of."""

    REASONING = "reasoning"
    SEALED = "sealed"  # a thought that only its model can read
    TEXT = "text"
    REFUSAL = "refusal"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage: its place in the answer; for a tool's call its id and the tool's name; what is sealed in it."""

    place: int
    kind: PassageKind
    call_id: str = ""
    name: str = ""
    sealed: str = ""


@dataclass(frozen=True, slots=True)
class Began:
    """A passage begins; the one before it has ended."""

    passage: Passage


@dataclass(frozen=True, slots=True)
class Grew:
    """The open passage has more text, or more of a call's arguments; never empty, always valid Unicode."""

    passage: Passage
    piece: str


@dataclass(frozen=True, slots=True)
class Signed:
    """The open passage, a thought, is signed: so it may be given back to the model. It ends next."""

    passage: Passage
    signature: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The open passage is whole."""

    passage: Passage


Step = Began | Grew | Signed | Ended


@dataclass(frozen=True, slots=True)
class Told:
    """A whole passage: its text, or its call's arguments, and the signature of a thought that has one."""

    passage: Passage
    text: str
    signature: str = ""


class Passages:
    """Folds the deltas of one choice (or its whole message, which has the same members) into steps.

    One passage is open at a time. Servers send parallel calls one behind the other; arguments for a call
    that has ended already are refused (`UpstreamFailed`, in the name of `upstream`), for no client could
    read them. Half a character at the end of a piece waits for its other half.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._open: Passage | None = None
        self._begun = 0
        self._pieces = Pieces()
        self._calls: dict[int, Passage] = {}

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return bool(self._calls)

    def fold(self, delta: JsonObject) -> Iterator[Step]:
        """The steps that a delta amounts to."""
        thoughts = _objects(delta.get("thinking_blocks"))
        if any(thought.get("thinking") for thought in thoughts):  # a whole message says them twice
            delta = {name: value for name, value in delta.items() if name not in _REASONING}
        for kind, members in _TEXTS:
            if kind is PassageKind.TEXT:
                for thought in thoughts:
                    yield from self._think(thought)
            text = next((delta[member] for member in members if delta.get(member)), "")
            if text and isinstance(text, str):
                yield from self._say(kind, text)
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                yield from self._call(place, call)

    def close(self) -> Iterator[Step]:
        """The steps that end the answer."""
        if self._open is None:
            return
        rest = self._pieces.rest()
        if rest:
            yield Grew(self._open, rest)
        yield Ended(self._open)
        self._open = None

    def _say(self, kind: PassageKind, text: str) -> Iterator[Step]:
        if self._open is None or self._open.kind is not kind:
            yield from self._begin(Passage(self._begun, kind))
        yield from self._grow(text)

    def _think(self, thought: JsonObject) -> Iterator[Step]:
        """A thought that Anthropic's models want back: whole, its signature alone, or sealed."""
        text, signature, sealed = (word_in(thought, k) for k in ("thinking", "signature", "data"))
        if sealed:
            yield from self._begin(Passage(self._begun, PassageKind.SEALED, sealed=sealed))
            yield from self.close()
            return
        if text:
            yield from self._say(PassageKind.REASONING, text)
        if signature and self._open is not None and self._open.kind is PassageKind.REASONING:
            yield Signed(self._open, signature)
            yield from self.close()

    def _call(self, place: int, given: JsonObject) -> Iterator[Step]:
        index = given.get("index")
        key = index if type(index) is int else place
        function = given.get("function")
        told: JsonObject = function if isinstance(function, dict) else {}
        call_id, known = _word(given.get("id")), self._calls.get(key)
        # Some servers give every whole call the same index, and an id of its own.
        if known is None or (call_id and call_id != known.call_id):
            name = _word(told.get("name"))
            if not name:
                raise malformed(self._upstream, "called a tool without a name")
            known = Passage(self._begun, PassageKind.CALL, call_id or f"call_{new_id()}", name)
            self._calls[key] = known
            yield from self._begin(known)
        arguments = told.get("arguments")
        if not arguments or not isinstance(arguments, str):
            return
        if known is not self._open:
            raise malformed(self._upstream, "sent the calls of several tools in turns")
        yield from self._grow(arguments)

    def _begin(self, passage: Passage) -> Iterator[Step]:
        yield from self.close()
        self._open = passage
        self._begun += 1
        yield Began(passage)

    def _grow(self, text: str) -> Iterator[Step]:
        assert self._open is not None, "a passage grows that has begun"
        whole = self._pieces.take(text)
        if whole:
            yield Grew(self._open, whole)


def whole_passages(message: JsonObject, upstream: str) -> list[Told]:
    """The passages of a whole message.

    >>> [(told.passage.kind.value, told.text) for told in whole_passages({"content": "Hi."}, "demo")]
    [('text', 'Hi.')]
    """
    passages = Passages(upstream)
    texts: dict[Passage, list[str]] = {}
    signatures: dict[Passage, str] = {}
    for step in (*passages.fold(message), *passages.close()):
        match step:
            case Began(passage):
                texts[passage] = []
            case Grew(passage, piece):
                texts[passage].append(piece)
            case Signed(passage, signature):
                signatures[passage] = signature
            case Ended():
                pass
    return [Told(one, "".join(texts[one]), signatures.get(one, "")) for one in texts]


def first_choice(tree: JsonObject) -> JsonObject:
    """The choice with index 0 of a chat's answer or chunk; empty when there is none.

    Neither Messages nor Responses has room for another.
    """
    return next((choice for choice in choices_of(tree) if not choice.get("index")), {})


def choices_of(tree: JsonObject) -> list[JsonObject]:
    """The choices of a chat's answer or chunk."""
    return _objects(tree.get("choices"))


def word_in(tree: JsonObject, member: str) -> str:
    """A member that is a text, valid Unicode; empty when it is none."""
    return _word(tree.get(member))


def number_in(tree: JsonObject, member: str, otherwise: int = 0) -> int:
    """A member that is a whole number, not negative, of at most 53 bits: what every reader of JSON can hold."""
    value = tree.get(member)
    return value if type(value) is int and 0 <= value < 2**53 else otherwise


def _word(value: Any) -> str:
    return joined([value]) if isinstance(value, str) else ""


def _objects(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


_REASONING = ("reasoning_content", "reasoning")
_TEXTS = (
    (PassageKind.REASONING, _REASONING),
    (PassageKind.TEXT, ("content",)),
    (PassageKind.REFUSAL, ("refusal",)),
)
