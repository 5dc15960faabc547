"""Traces through the log: facts carry the span that appended them, and batches link to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.log.record import (
    TRACEPARENT,
    Effect,
    Fact,
    Handler,
    OpenCall,
    Outbox,
    Record,
)
from shared.telemetry.tracing import Tracing

MAX_LINKS = 32  # of a batch: more tell nobody anything


class TracedOutbox:
    """An `Outbox` that gives the facts of a recorded request a span, and takes it along in each."""

    def __init__(self, outbox: Outbox, tracing: Tracing) -> None:
        self._outbox = outbox
        self._tracing = tracing

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> Sequence[Fact]:
        """See `Outbox.append`."""
        if not self._tracing.traceparent:
            return await self._outbox.append(facts, closes=closes)
        with self._tracing.span("outbox append") as span:
            span.tell("leeway.facts", len(facts))
            return await self._outbox.append(_carrying(facts, span.traceparent), closes=closes)

    async def open(self, call: OpenCall) -> None:
        """See `Outbox.open`."""
        await self._outbox.open(call)

    def orphans(self) -> Sequence[OpenCall]:
        """See `Outbox.orphans`."""
        return self._outbox.orphans()


class TracedHandler:
    """A `Handler` whose batches have a span, when a fact in them was recorded; so have the facts it makes."""

    def __init__(self, group: str, handler: Handler, tracing: Tracing) -> None:
        self._group = group
        self._handler = handler
        self._tracing = tracing
        self.exact_batches = getattr(handler, "exact_batches", False)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """See `Restorable.restore`, for a handler that keeps state."""
        restore = getattr(self._handler, "restore", None)
        if restore is not None:
            restore(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        """See `Handler.handle`."""
        traced = [record for record in records if TRACEPARENT in record.headers]
        # The first is its parent: of a call, and of what was made of it, that is the call.
        traced.sort(key=lambda record: record.accepted_at_us)
        spans = dict.fromkeys(record.headers[TRACEPARENT] for record in traced)
        if not spans:
            return await self._handler.handle(records)
        with self._tracing.span(f"{self._group} batch", [*spans][:MAX_LINKS]) as span:
            span.tell("leeway.group", self._group)
            span.tell("leeway.records", len(records))
            effect = await self._handler.handle(records)
            return replace(effect, facts=_carrying(effect.facts, span.traceparent))


def _carrying(facts: Sequence[Fact], traceparent: str) -> Sequence[Fact]:
    return [replace(fact, traceparent=traceparent) for fact in facts]
