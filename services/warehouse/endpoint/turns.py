"""Fairness among tenants: each has some statements running at a time, and the rest of its own wait."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.warehouse.faults import TOO_MANY_SIMULTANEOUS_QUERIES, SqlFault


@dataclass(slots=True)
class _Queue:
    """One tenant's turns, and how many are inside or wait for one."""

    turns: asyncio.Semaphore
    present: int = 0


class Turns:
    """Gives each tenant `at_once` turns; more wait, and more than `waiting` of those are refused."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._capacity = at_once + waiting
        self._queues = defaultdict[str, _Queue](lambda: _Queue(asyncio.Semaphore(at_once)))

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while inside. Raises `SqlFault` when too many wait."""
        queue = self._queues[tenant]
        if queue.present >= self._capacity:
            raise SqlFault(
                TOO_MANY_SIMULTANEOUS_QUERIES,
                f"More than {self._capacity} queries of {tenant} at once.",
            )
        queue.present += 1
        try:
            async with queue.turns:
                yield
        finally:
            queue.present -= 1
            if not queue.present:
                del self._queues[tenant]
