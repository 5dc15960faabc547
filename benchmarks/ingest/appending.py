"""Facts into an outbox of this process, as the doors put them there."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from shared.clock import SystemClock
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact

CALLERS, FACTS_PER_CALL = 4, 100


def an_outbox(data: Path) -> SqliteOutbox:
    return SqliteOutbox(data / "log" / "edge-0.db", SystemClock())


async def append(outbox: SqliteOutbox, made: Sequence[Fact]) -> float:
    """Append everything, some facts a call; the CPU seconds that it took."""
    before = time.process_time()
    calls = iter(range(0, len(made), FACTS_PER_CALL))

    async def keep_appending() -> None:
        for first in calls:
            await outbox.append(made[first : first + FACTS_PER_CALL])

    await asyncio.gather(*(keep_appending() for _ in range(CALLERS)))
    return time.process_time() - before
