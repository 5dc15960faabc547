"""A pause lasts its seconds of the clock, or until one of the events that end it."""

import asyncio

from shared.clock import SimulatedClock, pause
from tests.builders import NOW
from tests.waiting import until


class NotedClock(SimulatedClock):
    """A clock that notes who goes to sleep."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.asleep: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.asleep.append(seconds)
        await super().sleep(seconds)


async def test_a_pause_lasts_its_seconds_of_the_clock() -> None:
    clock = NotedClock()
    waiting = asyncio.create_task(pause(clock, 10, asyncio.Event()))
    await until(lambda: clock.asleep == [10])

    clock.advance(10)

    await until(waiting.done)
    assert clock.monotonic() == 10


async def test_a_pause_ends_with_the_first_of_its_events() -> None:
    clock, stop, woken = NotedClock(), asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(pause(clock, 10, stop, woken))
    await until(lambda: clock.asleep == [10])

    woken.set()

    await until(waiting.done)
    assert clock.monotonic() == 0


async def test_a_pause_that_is_ended_before_it_begins_never_sleeps() -> None:
    clock, stop = NotedClock(), asyncio.Event()
    stop.set()

    await pause(clock, 10, asyncio.Event(), stop)

    assert clock.asleep == []
