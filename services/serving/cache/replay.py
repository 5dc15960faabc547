"""A kept answer given again, byte for byte: a whole one as it was, a stream event by event.

A stream and a whole answer are kept apart, each under its own digest: what a client is sent is what an upstream, or
a translation, once made for a request of exactly its kind, and no protocol's events are invented from a body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import orjson

from services.serving.cache.port import Part, Saved
from services.serving.domain.account import Event
from services.serving.domain.answer import Answer
from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind
from services.serving.domain.sse import event_data
from services.serving.providers.port import Reply, Stream
from shared.interactions import Usage

NOTHING_USED = Usage(input_tokens=0, output_tokens=0)

_OPENAI_SHAPED = frozenset((Kind.CHAT, Kind.EMBEDDING))  # the bytes are their own tree
_WHOLE = frozenset(("stop", "tool_calls", "function_call"))
_EVENTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer found: `how` is exact or semantic, `kind` that of the request which it answers.

    Both ways of giving it tell that nothing was used; the body still says what the answer had used once.
    """

    saved: Saved
    kind: Kind
    how: str
    age_seconds: int

    @property
    def saved_usd(self) -> Decimal | None:
        """What the answer had cost when it was asked for; None when that is not known."""
        return self.saved.cost_usd

    def reply(self) -> Reply:
        """The whole answer."""
        part = self.saved.parts[0]
        return Reply(part.raw, _tree(part, self.kind) or {}, NOTHING_USED)

    async def stream(self) -> Stream:
        """The events of the stream, as fast as they are taken; the last tells that nothing was used."""
        parts = self.saved.parts
        for start in range(0, len(parts), _EVENTS_AT_ONCE):
            batch = parts[start : start + _EVENTS_AT_ONCE]
            last = start + len(batch) == len(parts)
            yield [
                Event(
                    part.raw,
                    _tree(part, self.kind),
                    NOTHING_USED if last and place == len(batch) - 1 else None,
                    hidden=part.hidden,
                    final=part.final,
                )
                for place, part in enumerate(batch)
            ]


class Recording:
    """A stream as it passes, to be kept if it ends well; beyond `limit` bytes it is given up."""

    def __init__(self, kind: Kind, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self._parts: list[Part] = []
        self._bytes = 0

    def take(self, events: Sequence[Event]) -> None:
        """Take what the client is sent, and what is hidden from it."""
        for event in events if self._bytes <= self._limit else ():
            tree = b"" if event.tree is None or self._kind in _OPENAI_SHAPED else _json(event.tree)
            self._parts.append(Part(event.raw, tree, event.hidden, event.final))
            self._bytes += len(event.raw) + len(tree)
        if self._bytes > self._limit:
            self._parts.clear()

    @property
    def parts(self) -> Sequence[Part]:
        """What was taken; empty when it was too much."""
        return self._parts


def parts_of(reply: Reply, kind: Kind) -> Sequence[Part]:
    """A whole answer as it is kept."""
    return [Part(reply.body, b"" if kind in _OPENAI_SHAPED else _json(reply.tree))]


def is_whole(answer: Answer, kind: Kind) -> bool:
    """Whether an answer may be given again: every choice of it said that it had come to its end.

    One that was cut at its length, or filtered, is none; vectors have no choices.
    """
    if kind is Kind.EMBEDDING:
        return True
    reasons = answer.finish_reasons
    ended = len(reasons) == len(answer.messages) > 0 and _WHOLE.issuperset(reasons)
    return ended and not answer.truncated


def _tree(part: Part, kind: Kind) -> JsonObject | None:
    text = part.tree
    if not text and kind in _OPENAI_SHAPED:
        text = part.raw if part.raw.startswith(b"{") else event_data(part.raw) or b""
    if not text.startswith(b"{"):  # a comment, or the end of a stream
        return None
    tree: JsonObject = orjson.loads(text)
    return tree


def _json(tree: JsonObject) -> bytes:
    return orjson.dumps(tree)
