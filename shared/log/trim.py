"""Trimming: an outbox file lets go of what every group has passed and retention no longer asks for."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from shared.clock import Clock, micros, pause
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.reader import UNREADABLE, OutboxReader
from shared.topics import ALL

log = structlog.get_logger()

KEPT = [topic.name for topic in ALL if topic.compacted] + [topic.dead_letters for topic in ALL]


class Trimmer:
    """Trims the outbox of its own process, from time to time.

    A record goes when every one of `groups` has passed it and it is older than `retention`. The ids
    that make a re-sent fact harmless are remembered for `remember`.
    """

    def __init__(
        self,
        producer: str,
        outbox: SqliteOutbox,
        source: FolderLog,
        groups: Sequence[str],
        clock: Clock,
        *,
        retention: timedelta = timedelta(hours=1),
        remember: timedelta = timedelta(days=7),
        interval: timedelta = timedelta(minutes=1),
    ) -> None:
        self._producer = producer
        self._outbox = outbox
        self._source = source
        self._groups = groups
        self._clock = clock
        self._retention = retention
        self._remember = remember
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Trim every interval until `stop` is set; what cannot be written now is tried again then."""
        while not stop.is_set():
            try:
                await self.trim()
            except sqlite3.Error as error:
                log.error("outbox.not_trimmed", producer=self._producer, error=str(error))
            await pause(self._clock, self._interval.total_seconds(), stop)
        self._source.close()

    async def trim(self) -> int:
        """Trim once; returns how many records went."""
        now = self._clock.now()
        before = await asyncio.to_thread(self._before, micros(now - self._retention))
        gone = await self._outbox.trim(before, KEPT, micros(now - self._remember))
        if gone:
            log.info("outbox.trimmed", producer=self._producer, records=gone, before=before)
        return gone

    def _before(self, since_us: int) -> int:
        """Up to where nobody needs the records; nowhere while it is not known how far a group has come."""
        readers = self._source.readers()
        own = next((r for r in readers if r.producer == self._producer), None)
        if own is None:
            return 0
        try:
            return min([own.first_offset_since(since_us), *self._passed(readers, own.source)])
        except UNREADABLE as error:
            log.error("outbox.not_trimmed", producer=self._producer, error=str(error))
            return 0

    def _passed(self, readers: Sequence[OutboxReader], source: str) -> Iterable[int]:
        passed = dict.fromkeys(self._groups, 0)
        for reader in readers:
            for group, positions in reader.positions().items():
                passed[group] = max(passed.get(group, 0), positions.get(source, 0))
        return passed.values()
