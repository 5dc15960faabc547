"""Keeping a process alive: what dies is started again, and later each time that it dies young."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.clock import Clock, pause

STABLE_SECONDS = 10.0
FIRST_SECONDS = 0.1
LAST_SECONDS = 10.0

Tell = Callable[[int, float], None]
"""Takes the exit code of a life, and the seconds until the next one."""


class Backoff:
    """The pause before the next life: doubled after each short one, up to a bound.

    >>> backoff = Backoff()
    >>> [backoff.after(lived_seconds) for lived_seconds in (1, 1, 1, 60, 1)]
    [0.1, 0.2, 0.4, 0.1, 0.2]
    """

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The seconds to wait after a life of so many."""
        waited = FIRST_SECONDS if lived_seconds >= STABLE_SECONDS else self._next
        self._next = min(waited * 2, LAST_SECONDS)
        return waited


async def keep_alive(
    live: Callable[[], Awaitable[int]], clock: Clock, stopping: asyncio.Event, tell: Tell
) -> None:
    """Call `live`, which returns the exit code of a process, again and again until `stopping` is set."""
    backoff = Backoff()
    while not stopping.is_set():
        born = clock.monotonic()
        code = await live()
        if stopping.is_set():
            return
        wait_seconds = backoff.after(clock.monotonic() - born)
        tell(code, wait_seconds)
        await pause(clock, wait_seconds, stopping)
