"""The embedded log in a folder, as the contract suite wants it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from shared.clock import SystemClock
from shared.log.consumer import Consumer
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler, Record
from shared.topics import INTERACTION_COMPLETED, Topic
from tests.logs import LIMITS

RUN_SECONDS = 10


@asynccontextmanager
async def an_outbox(folder: Path, name: str = "edge-0") -> AsyncIterator[SqliteOutbox]:
    async with SqliteOutbox(folder / f"{name}.db", SystemClock()) as outbox:
        yield outbox


class EmbeddedHarness:
    """A folder of outbox files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def outbox(self, name: str = "edge-0") -> AsyncIterator[SqliteOutbox]:
        async with an_outbox(self._folder, name) as self._store:
            yield self._store

    async def run(
        self,
        handler: Handler,
        stop: asyncio.Event,
        group: str = "g",
        topics: Sequence[Topic] = (INTERACTION_COMPLETED,),
    ) -> Consumer:
        source = FolderLog(self._folder)
        consumer = Consumer(group, topics, source, self._store, handler, LIMITS, SystemClock())
        async with asyncio.timeout(RUN_SECONDS):
            await consumer.run(stop)
        return consumer

    async def dead(self, topic: Topic) -> list[Record]:
        return FolderLog(self._folder).readers()[0].read([topic.dead_letters], 0, 10)[0]

    def lose(self, seq: int, name: str = "edge-0") -> None:
        db = sqlite3.connect(self._folder / f"{name}.db", isolation_level=None)
        db.execute("DELETE FROM records WHERE seq = ?", (seq,))
        db.close()
