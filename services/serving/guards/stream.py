"""The guards of a streamed answer: whole events are held back until their texts are decided, and no longer.

What needs no change passes byte for byte. What is held is a word as a rule; at most it is `USUAL` characters
of `shared/pii/tails.py`, or `MOST` while a token or a private key goes on, or what a guard that was brought
asks for, and never more than `MAX_HELD_CHARS` of one text.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.serving.domain.account import Event
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Request
from services.serving.domain.verdict import Blocked, Verdict, blocking
from services.serving.guards.channel import MAX_HELD_CHARS, Channel
from services.serving.guards.inspection import Findings, Found, inspected
from services.serving.guards.memory import Memory
from services.serving.guards.rails import Rails
from services.serving.guards.rewriting import Part, parts_of, repeated, rewritten
from services.serving.guards.slots import READINGS, Key, Pieces, Slot
from services.serving.guards.utterances import answered, place_of
from services.serving.providers.port import Stream


@dataclass(frozen=True, slots=True)
class Span:
    """Where a slot's text lies in its whole text."""

    part: int
    slot: Slot
    channel: Channel
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.slot.text)

    @property
    def free(self) -> bool:
        """Whether it may be let go."""
        return self.channel.free >= self.end


@dataclass(frozen=True, slots=True)
class _Held:
    """An event that waits, with the texts that it holds a piece of."""

    event: Event
    parts: Sequence[Part]
    spans: Sequence[Span]


class StreamFilter:
    """Takes the events of one answer, in the protocol that its client speaks, and lets go what may be sent.

    When a guard blocks, `blocked` is why: nothing of that event or behind it is let go, ever.
    """

    def __init__(self, request: Request, rails: Rails) -> None:
        self._kind = request.kind
        self._reading = READINGS.get(request.kind)
        self._deciding = rails.deciding()
        self._findings = Findings("output")
        self._memory = Memory(request, rails.looking())
        self._channels: dict[Key, Channel] = {}
        self._held: deque[_Held] = deque()
        self._held_chars = 0
        self._closed = False
        self.blocked: Blocked | None = None

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """What was found so far."""
        return self._findings.verdicts()

    def feed(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events that may be sent now, perhaps none."""
        passed: list[Event] = []
        for event in events:
            if self.blocked is None:
                self._take(event)
                passed += self._released()
        return passed

    def end(self) -> Sequence[Event]:
        """The events that are left when the answer has ended, in whichever way."""
        if self.blocked is None:
            self._end(())
        return list(self._released())

    def _take(self, event: Event) -> None:
        parts = parts_of(event, self._kind) if self._reading else ()
        spans: list[Span] = []
        for place, part in enumerate(parts):
            pieces = self._pieces(part)
            spans += [self._span(place, slot) for slot in pieces.slots]
            for key in pieces.ends:
                self._end(key)
            if pieces.repeats:
                parts, event = self._retold(event, parts, place)
        if event.final:
            self._end(())
        self._held.append(_Held(event, parts, spans))
        self._held_chars += sum(len(span.slot.text) for span in spans)
        if self._held_chars > MAX_HELD_CHARS:
            self._hurry()

    def _pieces(self, part: Part) -> Pieces:
        return self._reading(part.data) if self._reading and part.data is not None else Pieces()

    def _span(self, part: int, slot: Slot) -> Span:
        channel = self._channels.get(slot.key)
        if channel is None:
            channel = Channel(self._deciding.markers, encoded=slot.encoded)
            self._channels[slot.key] = channel
        start = channel.size
        self._memory.keep(slot)
        self._note(channel.feed(slot.text), slot.key)
        return Span(part, slot, channel, start)

    def _end(self, key: Key) -> None:
        """Decide the texts of a key; whoever judges whole texts does it now."""
        for name, channel in self._channels.items():
            if name[: len(key)] == key:
                self._note(channel.end(), name)
        objections = self._memory.judged(key)
        if blocking(objections.verdicts()):
            self._closed = True
        self._findings.join(objections)
        self._stop()

    def _retold(
        self, event: Event, parts: Sequence[Part], place: int
    ) -> tuple[Sequence[Part], Event]:
        """An event that tells texts again which came before, or would have: read as a whole."""
        findings = Findings("output")
        changed = inspected(answered(parts[place].data or {}), self._deciding, findings)
        if not _named(findings) <= _named(self._findings):
            self._findings.join(findings)
        if blocking(findings.verdicts()):
            self._closed = True
        self._stop()
        if not changed:
            return parts, event
        return repeated(event, parts, place, changed, self._kind)

    def _hurry(self) -> None:
        """Decide what the first event waits for: others wait behind it."""
        for span in self._held[0].spans:
            self._note(span.channel.end(), span.slot.key)

    def _note(self, found: Sequence[Found], key: Key) -> None:
        if found:
            self._findings.note(found, place_of(key))
            self._stop()

    def _stop(self) -> None:
        if self.blocked is None and blocking(self.verdicts):
            self.blocked = Blocked(self.verdicts)

    def _released(self) -> Iterator[Event]:
        """The events from the first on that may be let go; none behind what is blocked."""
        while self._held and not self._closed and all(span.free for span in self._held[0].spans):
            held = self._held.popleft()
            self._held_chars -= sum(len(span.slot.text) for span in held.spans)
            yield rewritten(held.event, held.parts, held.spans, self._kind)
            for span in held.spans:
                span.channel.forget(span.end)


def _named(findings: Findings) -> set[tuple[str, str, str]]:
    """What was found, without how often: a text that is told again is not found again."""
    return {(one.guard, one.action, one.category) for one in findings.verdicts()}


async def filtered(stream: Stream, through: StreamFilter) -> Stream:
    """A stream through a filter; satisfies `Stream`. Raises `Blocked` behind what may still be sent.

    The stream is closed with it, and with that its upstream's connection. What is held when the upstream
    fails is let go, as what came whole before a fault is the client's.
    """
    async with aclosing(stream):
        try:
            async for events in stream:
                passed = through.feed(events)
                if passed:
                    yield passed
                if through.blocked is not None:
                    raise through.blocked
        except UpstreamFailed:
            rest = through.end()
            if rest:
                yield rest
            if through.blocked is not None:
                raise through.blocked from None
            raise
        rest = through.end()
        if rest:
            yield rest
        if through.blocked is not None:
            raise through.blocked
