"""A process that dies is started again: at once after a long life, later and later after short ones."""

import asyncio
from collections.abc import Iterable

from services.restarts import LAST_SECONDS, STABLE_SECONDS, keep_alive
from shared.clock import SimulatedClock
from tests.builders import NOW


class PassingClock(SimulatedClock):
    """A clock on which every sleep is over at once, as if it had been slept."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class Lives:
    """A process that lives for the given seconds each time; stopped when none are left."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self.clock = PassingClock(NOW)
        self.stopping = asyncio.Event()
        self.told: list[tuple[int, float]] = []
        self.births: list[float] = []
        self._seconds = list(seconds)

    async def live(self) -> int:
        self.births.append(self.clock.monotonic())
        self.clock.advance(self._seconds.pop(0))
        if not self._seconds:
            self.stopping.set()
        return -9

    async def run(self) -> list[float]:
        """The seconds waited after each life but the last."""
        await keep_alive(
            self.live, self.clock, self.stopping, lambda code, wait: self.told.append((code, wait))
        )
        return [wait for _, wait in self.told]


async def test_the_waits_double_and_are_capped() -> None:
    waits = await Lives([0.5] * 10).run()

    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LAST_SECONDS, LAST_SECONDS]


async def test_a_healthy_life_starts_the_waits_anew() -> None:
    waits = await Lives([0.5, 0.5, STABLE_SECONDS, 0.5, STABLE_SECONDS - 0.1, 0.5]).run()

    assert waits == [0.1, 0.2, 0.1, 0.2, 0.4]


async def test_the_next_life_begins_only_after_the_wait() -> None:
    lives = Lives([1.0, 1.0])

    await lives.run()

    assert lives.births == [0.0, 1.1]


async def test_each_death_is_told_with_its_code_and_a_stop_is_not_a_death() -> None:
    lives = Lives([1.0, 1.0])

    await lives.run()

    assert lives.told == [(-9, 0.1)]


async def test_a_stop_ends_the_wait() -> None:
    clock, stopping = SimulatedClock(NOW), asyncio.Event()

    async def live() -> int:
        return 1

    await keep_alive(live, clock, stopping, lambda *_: stopping.set())

    assert clock.monotonic() == 0.0
