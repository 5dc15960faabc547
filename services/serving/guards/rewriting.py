"""Events with texts changed in them: only the data of what changed is written anew."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind
from services.serving.domain.sse import event_data
from services.serving.guards.channel import Channel
from services.serving.guards.redaction import edited, json_of
from services.serving.guards.slots import Slot, chat_pieces
from services.serving.guards.utterances import Path, Utterance, replaced

# Where tokens stand in the deepest of the protocols: response.output[].content[].logprobs.
_LOGPROBS_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One server-sent event of what is sent for an event; `data` is its JSON, None where it has none."""

    raw: bytes
    data: JsonObject | None


class Spanned(Protocol):
    """A slot of one of the parts, and where its text lies in its channel."""

    @property
    def part(self) -> int: ...
    @property
    def slot(self) -> Slot: ...
    @property
    def channel(self) -> Channel: ...
    @property
    def start(self) -> int: ...


def parts_of(event: Event, kind: Kind) -> Sequence[Part]:
    """What a client would read of an event: of a chat its tree, of other protocols what is in its bytes."""
    if event.hidden or not event.raw:
        return ()
    if kind is Kind.CHAT and event.tree is not None and event.raw.count(b"data:") == 1:
        return (Part(event.raw, event.tree),)
    raws = [raw for raw in _EVENT.findall(event.raw) if raw]
    return tuple(Part(raw, _data(raw)) for raw in raws)


def rewritten(event: Event, parts: Sequence[Part], spans: Sequence[Spanned], kind: Kind) -> Event:
    """The event with its channels' edits; itself when there is none."""
    changed: dict[int, JsonObject] = {}
    texts: list[tuple[str, str]] = []
    for span in spans:
        text = edited(span.slot.text, span.channel.edits, offset=span.start)
        if text != span.slot.text:
            data = changed.get(span.part, parts[span.part].data)
            changed[span.part] = without_logprobs(replaced(data, span.slot.path, text))
            texts.append((span.slot.text, text))
    if not changed:
        return event
    raw = _joined(parts, changed)
    if kind is Kind.CHAT and len(parts) == 1:
        return replace(event, raw=raw, tree=changed[0])
    return replace(event, raw=raw, tree=_account(event.tree, texts))


def repeated(
    event: Event, parts: Sequence[Part], place: int, changed: Mapping[Utterance, str], kind: Kind
) -> tuple[Sequence[Part], Event]:
    """The parts and the event with whole texts of one part replaced."""
    data: JsonObject = without_logprobs(with_texts(parts[place].data or {}, changed))
    told = [*parts]
    told[place] = Part(_told(parts[place].raw, data), data)
    texts = [(one.text, text) for one, text in changed.items()]
    tree = data if kind is Kind.CHAT and len(parts) == 1 else _account(event.tree, texts)
    return told, replace(event, raw=b"".join(part.raw for part in told), tree=tree)


def with_texts(tree: JsonObject, changed: Mapping[Utterance, str]) -> JsonObject:
    """The tree with some of its texts replaced; what lies beside the ways to them is the same."""
    root = dict(tree)
    copied: dict[Path, Any] = {(): root}
    for one, text in changed.items():
        node: Any = root
        for depth, step in enumerate(one.path[:-1], 1):
            way = one.path[:depth]
            if way not in copied:
                copied[way] = node[step] = copy(node[step])
            node = copied[way]
        node[one.path[-1]] = orjson.loads(text) if one.is_object else text
    return root


def without_logprobs(tree: Any, depth: int = _LOGPROBS_DEPTH) -> Any:
    """The tree without the tokens of its texts: they would tell what was taken out of these."""
    if isinstance(tree, dict) and depth:
        return {
            name: _EMPTY[type(value)]
            if name == "logprobs" and type(value) in _EMPTY
            else without_logprobs(value, depth - 1)
            for name, value in tree.items()
        }
    if isinstance(tree, list) and depth:
        return [without_logprobs(value, depth - 1) for value in tree]
    return tree


def _account(tree: JsonObject | None, texts: Sequence[tuple[str, str]]) -> JsonObject | None:
    """The chat chunk of an event, with the texts that its client is sent.

    A text that does not stand in it word for word makes way with all others of the chunk.
    """
    if tree is None:
        return None
    slots = list(chat_pieces(tree).slots)
    known = {slot.text for slot in slots}
    new = dict(texts)
    for slot in slots:
        text = new.get(slot.text, slot.text) if new.keys() <= known else ""
        tree = _with(tree, slot.path, text)
    return tree


def _with(tree: JsonObject, path: Path, text: str) -> JsonObject:
    changed: JsonObject = without_logprobs(replaced(tree, path, text))
    return changed


def _joined(parts: Sequence[Part], changed: Mapping[int, JsonObject]) -> bytes:
    told = (
        _told(part.raw, changed[place]) if place in changed else part.raw
        for place, part in enumerate(parts)
    )
    return b"".join(told)


def _told(raw: bytes, data: JsonObject) -> bytes:
    """A server-sent event with other data; its name and its other lines stay."""
    lines = [line for line in _LINE.split(raw) if line and not line.startswith(b"data")]
    return b"\n".join([*lines, b"data: " + json_of(data)]) + b"\n\n"


def read_leniently(text: bytes) -> JsonObject | None:
    """The JSON object that an upstream sent, half characters and all; None for what is none."""
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return tree if isinstance(tree, dict) else None


def _data(raw: bytes) -> JsonObject | None:
    text = event_data(raw)
    if text is None or not text.lstrip().startswith(b"{"):
        return None
    return read_leniently(text)


_EMPTY: Mapping[type, object] = {dict: None, list: []}
_EVENT = re.compile(rb".*?(?:(?:\r\n|\n|\r(?!\n)){2}|\Z)", re.DOTALL)
_LINE = re.compile(rb"\r\n|\n|\r")
