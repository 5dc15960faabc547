"""What a model said, folded from a whole reply or from its deltas, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.serving.domain.body import JsonObject

MAX_KEPT_CHARS = 1_000_000
MAX_WORD_CHARS = 256
MAX_KEPT_PARTS = 1_000  # choices and tool calls that one answer is kept with


@dataclass(slots=True)
class _ToolCall:
    """A tool call as its deltas tell it."""

    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def message(self) -> JsonObject:
        function = {"name": self.name, "arguments": joined(self.arguments)}
        return {"id": self.call_id, "type": "function", "function": function}


@dataclass(slots=True)
class _Choice:
    """One choice of an answer as its deltas tell it."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tool_calls: dict[int, _ToolCall] = field(default_factory=dict)
    finish_reason: str = ""

    def message(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", "content": joined(self.content) or None}
        if self.refusal:
            message["refusal"] = joined(self.refusal)
        if self.tool_calls:
            message["tool_calls"] = [call.message() for call in self.tool_calls.values()]
        return message


class Answer:
    """Folds chunks, or one whole reply, of OpenAI's chat shape; shapes it does not know are passed over.

    Text beyond `MAX_KEPT_CHARS` is counted and not kept. `deltas` counts the pieces of output that
    came, which for most providers is a token each.
    """

    def __init__(self) -> None:
        self.model = ""
        self.deltas = 0
        self.truncated = False
        self._room = MAX_KEPT_CHARS
        self._parts = 0
        self._choices: dict[int, _Choice] = {}

    def add(self, tree: JsonObject) -> None:
        """Fold one chunk, or one whole reply."""
        if not self.model:
            self.model = _word(tree.get("model"))
        for place, choice in enumerate(_objects(tree.get("choices"))):
            self._add_choice(_index(choice, place), choice)

    @property
    def text(self) -> str:
        """The text of the first choice."""
        choice = self._choices.get(0)
        return joined(choice.content or choice.refusal) if choice else ""

    @property
    def messages(self) -> Sequence[JsonObject]:
        """A message a choice, as a client would have read it; marked where it was cut to the bound."""
        messages = [choice.message() for _, choice in sorted(self._choices.items())]
        return [{**m, "truncated": True} for m in messages] if self.truncated else messages

    @property
    def finish_reasons(self) -> Sequence[str]:
        """Why each choice that ended did."""
        reasons = [choice.finish_reason for _, choice in sorted(self._choices.items())]
        return [reason for reason in reasons if reason]

    def _add_choice(self, index: int, given: JsonObject) -> None:
        choice = self._choices.get(index)
        if choice is None:
            if not self._admit_part():
                return
            choice = self._choices[index] = _Choice()
        choice.finish_reason = _word(given.get("finish_reason")) or choice.finish_reason
        delta = given.get("delta") or given.get("message")
        if isinstance(delta, dict):
            self._add_delta(choice, delta)

    def _add_delta(self, choice: _Choice, delta: JsonObject) -> None:
        self._keep(choice.content, delta.get("content"))
        self._keep(choice.refusal, delta.get("refusal"))
        if delta.get("reasoning_content") or delta.get("reasoning"):
            self.deltas += 1
        for place, call in enumerate(_objects(delta.get("tool_calls"))):
            self._add_tool_call(choice, _index(call, place), call)

    def _add_tool_call(self, choice: _Choice, index: int, given: JsonObject) -> None:
        call = choice.tool_calls.get(index)
        if call is None:
            if not self._admit_part():
                return
            call = choice.tool_calls[index] = _ToolCall()
        call.call_id = call.call_id or _word(given.get("id"))
        function = given.get("function")
        if isinstance(function, dict):
            call.name = call.name or _word(function.get("name"))
            self._keep(call.arguments, function.get("arguments"))

    def _admit_part(self) -> bool:
        self._parts += 1
        self.truncated = self.truncated or self._parts > MAX_KEPT_PARTS
        return self._parts <= MAX_KEPT_PARTS

    def _keep(self, kept: list[str], piece: Any) -> None:
        if not piece or not isinstance(piece, str):
            return
        self.deltas += 1
        if len(piece) > self._room:
            self.truncated = True
            piece = piece[: self._room]
        self._room -= len(piece)
        kept.append(piece)


def joined(pieces: Sequence[str]) -> str:
    """The text of pieces, valid Unicode: surrogates that two pieces split are joined, lone ones replaced.

    >>> joined(["a", chr(0xD83D), chr(0xDE00)]) == "a\\N{GRINNING FACE}", joined([chr(0xD83D)]) == chr(0xFFFD)
    (True, True)
    """
    text = "".join(pieces)
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _word(value: Any) -> str:
    """A short text that is stored as a name; anything else is none."""
    return joined([value[:MAX_WORD_CHARS]]) if value and isinstance(value, str) else ""


def _objects(value: Any) -> Iterator[JsonObject]:
    items = value if isinstance(value, list) else ()
    return (item for item in items if isinstance(item, dict))


def _index(item: JsonObject, place: int) -> int:
    index = item.get("index", place)
    return index if type(index) is int else place
