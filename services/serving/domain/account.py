"""The account of an answer: every event is folded, and what the client did not ask for is held back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.serving.domain.answer import Answer
from services.serving.domain.body import JsonObject
from shared.interactions import Usage


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream in OpenAI's shape.

    `raw` is what a client would be sent, byte for byte; `tree` its JSON (None for a comment); `usage`
    what the provider says, at this point of the stream, was used. One that is `hidden` is not sent; the
    `final` one ends the answer, and is sent when the call is stored.
    """

    raw: bytes
    tree: JsonObject | None = None
    usage: Usage | None = None
    hidden: bool = False
    final: bool = False


@dataclass(slots=True)
class Account:
    """What came of one answer so far; `began` once the client was sent a part of it.

    `final` is what ends the whole answer, kept back until the call is stored; `last` is what the client was
    sent last.
    """

    began: bool = False
    answer: Answer = field(default_factory=Answer)
    usage: Usage | None = None
    first_token_at: datetime | None = None
    final: bytes = b""
    last: bytes = b""

    def take(self, tree: JsonObject, usage: Usage | None) -> None:
        """Take a whole answer into account."""
        self.answer.add(tree)
        self.usage = usage

    def fold(self, events: Sequence[Event], now: datetime) -> bytes:
        """Take events into account; the bytes to send on for them, perhaps none."""
        sent: list[bytes] = []
        for event in events:
            if event.tree is not None:
                self.answer.add(event.tree)
            if event.usage is not None:
                self.usage = event.usage
            if event.final:
                self.final = event.raw
            elif not event.hidden:
                sent.append(event.raw)
        if self.first_token_at is None and self.answer.deltas:
            self.first_token_at = now
        if sent:
            self.last = sent[-1]
        return b"".join(sent)
