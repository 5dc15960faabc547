"""A limit of how many calls an upstream answers at once, with a short queue before it."""

import asyncio
from collections import deque


class Slots:
    """At most `limit` are taken at once; `queue` more may wait, first come, first served.

    Whoever took a slot gives it back exactly once.
    """

    def __init__(self, limit: int | None, queue: int) -> None:
        self._limit = limit
        self._queue = queue
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> bool:
        """Whether a slot can be taken now, and nobody waits for it."""
        return self._limit is None or (self._taken < self._limit and not self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return len(self._waiting) < self._queue

    def take(self) -> None:
        """Take a slot that is free."""
        self._taken += 1

    def give_back(self) -> None:
        """Give a slot back: to who has waited longest, if anybody waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._taken -= 1

    async def wait(self, seconds: float) -> bool:
        """Whether a slot came free in time; then it is taken."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return self._left(waiter)
        except asyncio.CancelledError:
            if self._left(waiter):
                self.give_back()
            raise
        return True

    def _left(self, waiter: "asyncio.Future[None]") -> bool:
        """Stop waiting; whether the slot had come in the same moment."""
        if waiter.done() and not waiter.cancelled():
            return True
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        return False
