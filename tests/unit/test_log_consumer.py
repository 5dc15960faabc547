"""How a consumer divides its time: a batch gathers for as long as it may, and no longer."""

import asyncio
from collections.abc import Mapping, Sequence

from shared.clock import SimulatedClock
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.file import GroupState, Ranges
from shared.log.record import Effect, Position, Record
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW, a_record
from tests.logs import a_fact
from tests.waiting import until

LIMITS = ConsumerLimits(max_records=100, max_age_seconds=0.2)


class Steady:
    """A log in which there is always one record more."""

    holds_more = False

    def __init__(self) -> None:
        self.polls = 0

    async def poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        self.polls += 1
        record = a_record(a_fact(self.polls), seq=self.polls)
        return [record], {record.source: (self.polls, self.polls + 1)}

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        return []

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        return 1

    def close(self) -> None:
        pass


class Kept:
    """A store of positions that takes everything."""

    async def load(self, group: str) -> GroupState:
        return GroupState({}, {}, None)

    async def intend(self, group: str, ranges: Ranges) -> None:
        pass

    async def commit(self, group: str, positions: Mapping[str, Position], effect: Effect) -> None:
        pass


class Slow:
    """A handler that takes its time; after some batches it has seen enough."""

    def __init__(self, clock: SimulatedClock, seconds: float, stop: asyncio.Event) -> None:
        self._clock = clock
        self._seconds = seconds
        self._stop = stop
        self.batches = 0

    async def handle(self, records: Sequence[Record]) -> Effect:
        self._clock.advance(self._seconds)
        self.batches += 1
        if self.batches == 3:
            self._stop.set()
        return Effect()


def a_consumer(seconds: float, clock: SimulatedClock, stop: asyncio.Event) -> tuple[Consumer, Slow]:
    handler = Slow(clock, seconds, stop)
    topics = [INTERACTION_COMPLETED]
    return Consumer("g", topics, Steady(), Kept(), handler, LIMITS, clock), handler


async def test_who_took_longer_than_a_batch_may_gather_goes_on_at_once() -> None:
    clock, stop = SimulatedClock(NOW), asyncio.Event()
    consumer, handler = a_consumer(0.3, clock, stop)

    async with asyncio.timeout(5):
        await consumer.run(stop)  # and nobody moves the clock on

    assert handler.batches == 3


async def test_who_was_quick_waits_for_the_rest_of_the_time() -> None:
    clock, stop = SimulatedClock(NOW), asyncio.Event()
    consumer, handler = a_consumer(0.05, clock, stop)
    running = asyncio.create_task(consumer.run(stop))
    await until(lambda: handler.batches == 1)

    for _ in range(100):
        await asyncio.sleep(0)
    waited = handler.batches
    clock.advance(0.14)
    for _ in range(100):
        await asyncio.sleep(0)
    waited_on = handler.batches
    clock.advance(0.02)
    await until(lambda: handler.batches == 2)

    assert (waited, waited_on) == (1, 1)
    stop.set()
    await running
