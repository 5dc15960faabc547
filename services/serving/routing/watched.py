"""A provider for the time of one visit: what comes of the answer is told to the upstream's state."""

import asyncio
from contextlib import aclosing

from services.serving.domain.failure import overdue
from services.serving.domain.request import Kind
from services.serving.providers.port import Ask, Provider, Reply, Stream
from services.serving.routing.upstream import Visit


class Watched:
    """The same answers; satisfies `Provider`. A stream is watched to its end, long after it has begun.

    `until` is when it must have ended, in seconds of the loop's time; None: as the provider has it.
    """

    def __init__(self, provider: Provider, visit: Visit, until: float | None = None) -> None:
        self._provider = provider
        self._visit = visit
        self._until = until

    @property
    def kinds(self) -> frozenset[Kind]:
        return self._provider.kinds

    async def complete(self, ask: Ask) -> Reply:
        with self._visit as visit:
            reply = await self._provider.complete(ask)
            visit.answers()
            visit.end()
        return reply

    async def embed(self, ask: Ask) -> Reply:
        with self._visit as visit:
            reply = await self._provider.embed(ask)
            visit.answers()
            visit.end()
        return reply

    def stream(self, ask: Ask) -> Stream:
        visit, own = self._visit, self._provider.stream(ask)
        visit.stream = _watched(own if self._until is None else _timed(own, self._until), visit)
        return visit.stream


async def _watched(stream: Stream, visit: Visit) -> Stream:
    try:
        with visit:
            async with aclosing(stream):
                async for events in stream:
                    visit.answers()
                    if events[-1].final:  # who has the whole answer need not read on
                        visit.end()
                    yield events
            visit.end()
    finally:
        visit.stream = None  # or both would wait for the garbage collector


async def _timed(stream: Stream, until: float) -> Stream:
    """The same stream; raises `UpstreamFailed` when it has not ended in time."""
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout_at(until):
                    events = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as fault:
                raise overdue() from fault
            yield events
