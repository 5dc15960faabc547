"""One worker's kept answers, of which it forgets what any worker was told to forget."""

import asyncio
from datetime import datetime

from services.serving.cache.nearest import Likeness
from services.serving.cache.port import Cache, Saved, Scope
from services.serving.state.port import StateAway, Values
from shared.clock import Clock, pause
from shared.ids import new_id

KEPT_SECONDS = 3600.0  # many times as long as any worker looks for it
LOOK_SECONDS = 2.0


class ForgettingEverywhere:
    """A worker's memory; satisfies `Cache`. While `run` runs, all that share the same values forget together.

    Who is told to forget leaves a mark for the tenant; who finds one that it does not know forgets all that
    it has of that tenant, the one subject that was meant and the others. They are asked for again.
    """

    def __init__(self, memory: Cache, values: Values, clock: Clock) -> None:
        self._memory = memory
        self._values = values
        self._clock = clock
        self._marks: dict[str, bytes | None] = {}  # of every tenant that something was put of

    async def get(self, scope: Scope, key: str) -> Saved | None:
        return await self._memory.get(scope, key)

    async def put(self, scope: Scope, key: str, saved: Saved, seconds: float) -> None:
        self._marks.setdefault(scope.tenant, None)
        await self._memory.put(scope, key, saved, seconds)

    async def near(
        self, scope: Scope, question: Likeness, within: float, since: datetime
    ) -> Saved | None:
        return await self._memory.near(scope, question, within, since)

    async def forget(self, tenant: str, subject: str = "") -> int:
        """As `Cache` says, counting this worker's own. Raises `StateAway` when the others cannot be told."""
        mark = new_id().encode()
        forgotten = await self._memory.forget(tenant, subject)
        await self._values.put(_name(tenant), mark, KEPT_SECONDS)
        self._marks[tenant] = mark
        return forgotten

    async def run(self, stop: asyncio.Event) -> None:
        """Look for marks until `stop` is set."""
        while not stop.is_set():
            await pause(self._clock, LOOK_SECONDS, stop)
            await self.look()

    async def look(self) -> None:
        """Forget what another worker was told to."""
        for tenant, known in [*self._marks.items()]:
            try:
                mark = await self._values.get(_name(tenant))
            except StateAway:
                return  # counted and logged where it is met; the mark waits for the next look
            if mark is not None and mark != known:
                self._marks[tenant] = mark
                await self._memory.forget(tenant)


def _name(tenant: str) -> str:
    return f"cache/forgotten/{tenant}"
