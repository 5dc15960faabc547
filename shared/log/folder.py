"""The embedded log: a folder of outbox files, one per producing process, read as one."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from shared.log.file import Ranges
from shared.log.reader import OutboxReader
from shared.log.record import Position, Record


class Log(Protocol):
    """What a group reads: records of some topics from where it has come to."""

    @property
    def holds_more(self) -> bool:
        """Whether the last poll left out records that are at hand, so that waiting gains nothing."""
        ...

    async def poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        """Up to `limit` records that come next, and per source the range of offsets they stand in.

        Returns at once; with no records when nothing is new. The range of a source may be wider than
        its records: offsets of other topics are passed over. Raises `Moved` after sources came or went.
        """
        ...

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        """Exactly the records that a poll once returned with these ranges; raises `Moved` as it does."""
        ...

    def close(self) -> None:
        """Let go of whatever is open."""
        ...


class FolderLog:
    """A `Log` over the outbox files of a folder; new files are found as they appear."""

    holds_more = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[str, OutboxReader] = {}

    async def poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        """See `Log.poll`. Each file gets its share of the limit, so that none starves another."""
        return await asyncio.to_thread(self._poll, topics, positions, limit)

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        """See `Log.reread`."""
        return await asyncio.to_thread(self._reread, topics, ranges)

    def readers(self) -> Sequence[OutboxReader]:
        """A reader for each file that is there now."""
        for path in sorted(self._folder.glob("*.db")):
            if path.stem not in self._readers:
                reader = _opened(path)
                if reader is not None:
                    self._readers[path.stem] = reader
        return list(self._readers.values())

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        readers = self.readers()
        share = max(1, limit // max(1, len(readers)))
        found: list[Record] = []
        ranges: dict[str, tuple[int, int]] = {}
        for reader in readers:
            start = positions[reader.source].next_offset if reader.source in positions else 0
            records, end = reader.read(topics, start, share)
            if end > start:
                ranges[reader.source] = (start, end)
            found.extend(records)
        return found, ranges

    def _reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        found: list[Record] = []
        for reader in self.readers():
            if reader.source in ranges:
                start, end = ranges[reader.source]
                found.extend(reader.read(topics, start, end - start, until=end)[0])
        return found


def _opened(path: Path) -> OutboxReader | None:
    """A reader, or None while the file is being made by its process."""
    try:
        reader = OutboxReader(path)
    except sqlite3.OperationalError:
        return None
    if not reader.epoch:
        reader.close()
        return None
    return reader
