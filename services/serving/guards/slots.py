"""Where the texts stand in the events of a stream, in each protocol that clients speak."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.serving.domain.request import Kind
from services.serving.guards.utterances import Path

Key = tuple[str | int, ...]
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece of one of an answer's texts: which (`key`), where in the event, and whether it is JSON text."""

    key: Key
    path: Path
    text: str
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class Pieces:
    """What an event says: the next pieces of texts, the texts that end with it, and whether it repeats whole ones."""

    slots: Sequence[Slot] = ()
    ends: Sequence[Key] = ()
    repeats: bool = False


Reading = Callable[[Data], Pieces]
"""Reads one event's data. A key that `ends` ends every text whose key begins with it; `()` ends all."""


def chat_pieces(data: Data) -> Pieces:
    """A chunk of a chat completion; what it says in words that are not known here is read as a whole."""
    slots: list[Slot] = []
    ends: list[Key] = []
    strange = not _CHUNK.issuperset(data)
    for place, choice in _objects(data.get("choices")):
        index = _index(choice, place)
        for member in ("delta", "message"):
            delta = choice.get(member)
            if isinstance(delta, dict):
                slots += _delta((index,), ("choices", place, member), delta)
                strange = strange or not _DELTA.issuperset(delta)
        if choice.get("finish_reason"):
            ends.append((index,))
    return Pieces(slots, ends, repeats=strange)


def completion_pieces(data: Data) -> Pieces:
    """A chunk of a legacy completion."""
    choices = list(_objects(data.get("choices")))
    slots = [
        Slot((_index(choice, place), "text"), ("choices", place, "text"), choice["text"])
        for place, choice in choices
        if _is_text(choice.get("text"))
    ]
    return Pieces(slots, [(_index(c, place),) for place, c in choices if c.get("finish_reason")])


def message_pieces(data: Data) -> Pieces:
    """An event of a message (Anthropic)."""
    kind, index = data.get("type"), data.get("index", 0)
    if kind in ("content_block_stop", "message_delta", "message_stop"):
        return Pieces(ends=[(index,) if kind == "content_block_stop" else ()])
    member = {"content_block_delta": "delta", "content_block_start": "content_block"}.get(str(kind))
    block = data.get(member) if member else None
    if not isinstance(block, dict) or member is None:
        return Pieces()
    named = ("text", "thinking", "partial_json")
    slots = [
        Slot((index, name), (member, name), block[name], encoded=name == "partial_json")
        for name in named
        if _is_text(block.get(name))
    ]
    kinds = _DELTAS if member == "delta" else _BLOCKS
    return Pieces(slots, repeats=block.get("type") not in kinds)


def response_pieces(data: Data) -> Pieces:
    """An event of a response (OpenAI Responses): deltas, and what tells whole texts again."""
    kind = str(data.get("type"))
    key = tuple(
        value
        for name in ("output_index", "content_index", "summary_index")
        if isinstance(value := data.get(name), int)
    )
    if kind.endswith(".delta"):
        encoded = kind.endswith(("arguments.delta", "input.delta"))
        text = data.get("delta")
        slot = Slot((*key, kind.removesuffix(".delta")), ("delta",), str(text), encoded=encoded)
        return Pieces([slot] if _is_text(text) and kind not in _SOUNDS else ())
    if kind.endswith((".done", ".completed", ".incomplete", ".failed")):
        whole = kind.startswith("response.") and kind.count(".") == 1
        return Pieces(ends=[() if whole else key], repeats=True)
    return Pieces(repeats=kind in ("response.output_item.added", "response.content_part.added"))


# What is known of each protocol; an event with anything else in it is read as a whole.
_CHUNK = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint"),
        *("service_tier", "provider", "obfuscation", "x_groq"),
    }
)
_DELTAS = frozenset(("text_delta", "thinking_delta", "input_json_delta", "signature_delta"))
_BLOCKS = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))
_DELTA = frozenset(
    {
        *("role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"),
        *("function_call", "audio"),
    }
)
_SOUNDS = frozenset(("response.audio.delta", "response.output_audio.delta"))

READINGS: Mapping[Kind, Reading] = {
    Kind.CHAT: chat_pieces,
    Kind.COMPLETION: completion_pieces,
    Kind.MESSAGE: message_pieces,
    Kind.RESPONSE: response_pieces,
    # The streams of transcripts and of pictures are made of events of the same form.
    Kind.AUDIO: response_pieces,
    Kind.IMAGE: response_pieces,
}


def _delta(key: Key, path: Path, delta: Data) -> Iterator[Slot]:
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        if _is_text(delta.get(name)):
            yield Slot((*key, name), (*path, name), delta[name])
    audio = delta.get("audio")
    if isinstance(audio, dict) and _is_text(audio.get("transcript")):
        yield Slot((*key, "transcript"), (*path, "audio", "transcript"), audio["transcript"])
    for place, part in _objects(delta.get("content")):
        if _is_text(part.get("text")):
            yield Slot((*key, "content"), (*path, "content", place, "text"), part["text"])
    calls = [(("tool_calls", place), call) for place, call in _objects(delta.get("tool_calls"))]
    for at, call in calls:
        yield from _function(
            (*key, "tool", _index(call, at[1])), (*path, *at), call.get("function")
        )
    yield from _function((*key, "function"), path, delta.get("function_call"), "function_call")


def _function(key: Key, path: Path, given: Any, name: str = "function") -> Iterator[Slot]:
    if isinstance(given, dict) and _is_text(given.get("arguments")):
        yield Slot(key, (*path, name, "arguments"), given["arguments"], encoded=True)


def _objects(value: Any) -> Iterator[tuple[int, Data]]:
    items = value if isinstance(value, list) else ()
    return ((place, item) for place, item in enumerate(items) if isinstance(item, dict))


def _index(item: Data, place: int) -> int:
    index = item.get("index", place)
    return index if type(index) is int else place


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
