"""Time as a port: nothing in Leeway asks the operating system for it anywhere else."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for facts, monotonic time for durations, and a sleep that a test can drive."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC. It may jump; never measure a duration with it."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; it never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock have passed."""
        ...


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimulatedClock:
    """A clock that stands still until it is advanced; sleepers wake when their time is reached."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, waiter))
        await waiter

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds` and wake every sleeper that is due."""
        self._elapsed += seconds
        self._now += timedelta(seconds=seconds)
        due = [waiter for at, waiter in self._sleepers if at <= self._elapsed]
        self._sleepers = [(at, waiter) for at, waiter in self._sleepers if at > self._elapsed]
        for waiter in due:
            if not waiter.done():
                waiter.set_result(None)


async def pause(clock: Clock, seconds: float, *ends: asyncio.Event) -> None:
    """Wait for `seconds` of the clock, or until one of the events is set."""
    if any(end.is_set() for end in ends):
        return
    waits = [clock.sleep(seconds), *(end.wait() for end in ends)]
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


def micros(at: datetime) -> int:
    """Microseconds since the Unix epoch of an aware time, exactly.

    >>> micros(datetime(2026, 1, 1, tzinfo=UTC))
    1767225600000000
    """
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(value: int) -> datetime:
    """The aware UTC time of microseconds since the Unix epoch."""
    return _EPOCH + timedelta(microseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
