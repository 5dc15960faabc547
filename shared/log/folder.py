"""The embedded log: a folder of outbox files, one per producing process, read as one."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from shared.log.file import PAGE_BYTES, Ranges
from shared.log.reader import UNREADABLE, OutboxReader
from shared.log.record import Position, Record
from shared.metrics import OUTBOX_DAMAGED

log = structlog.get_logger()


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

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        """About how many records are still to come behind these positions."""
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
        self._damaged: set[str] = set()

    async def poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        """See `Log.poll`. Each file has its share of the limit; what it leaves of it goes to the others.

        A file that cannot be read from where a group stands is told of and passed over: what is in it
        waits, and what is in the others does not.
        """
        return await asyncio.to_thread(self._poll, topics, positions, limit)

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        """See `Log.reread`."""
        return await asyncio.to_thread(self._reread, topics, ranges)

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        """See `Log.waiting`; records of topics that are not asked for count too, until they are passed."""
        return await asyncio.to_thread(self._waiting, positions)

    def readers(self) -> Sequence[OutboxReader]:
        """A reader for each file that is there now, always in the same order."""
        for path in self._folder.glob("*.db"):
            if path.stem not in self._readers:
                reader = self._opened(path)
                if reader is not None:
                    self._readers[path.stem] = reader
        return [self._readers[name] for name in sorted(self._readers)]

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _waiting(self, positions: Mapping[str, Position]) -> int:
        return sum(_left(positions, one) for one in self.readers())

    def _poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        readers = self.readers()
        found = [_Found(reader, _next(positions, reader)) for reader in readers]
        share = max(1, limit // max(1, len(readers)))
        for one in found:
            self._read_on(one, topics, share)
        left = limit - sum(len(one.records) for one in found)
        for one in [one for one in found if len(one.records) == share]:
            left -= self._read_on(one, topics, left)
        ranges = {one.reader.source: (one.start, one.end) for one in found if one.end > one.start}
        return [record for one in found for record in one.records], ranges

    def _read_on(self, one: "_Found", topics: Sequence[str], limit: int) -> int:
        try:
            read = one.read_on(topics, limit)
        except UNREADABLE as error:
            self._tell(one.reader.producer, error)
            return 0
        self._tell(one.reader.producer, None)
        return read

    def _opened(self, path: Path) -> OutboxReader | None:
        """A reader, or None while the file is being made by its process, or is none any more."""
        try:
            reader = OutboxReader(path)
        except UNREADABLE as error:
            # While it is being made, everything but its first page is in the write-ahead log.
            being_made = isinstance(error, sqlite3.OperationalError)
            if not being_made or path.stat().st_size > PAGE_BYTES:
                self._tell(path.stem, error)
            return None
        if not reader.epoch:
            reader.close()
            return None
        return reader

    def _tell(self, producer: str, error: Exception | None) -> None:
        """Say once that a file cannot be read, and once that it can again."""
        if (error is not None) == (producer in self._damaged):
            return
        OUTBOX_DAMAGED.labels(producer).set(0 if error is None else 1)
        if error is None:
            self._damaged.discard(producer)
            log.info("outbox.readable", producer=producer)
        else:
            self._damaged.add(producer)
            log.error("outbox.unreadable", producer=producer, error=str(error))

    def _reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        found: list[Record] = []
        for reader in self.readers():
            if reader.source in ranges:
                start, end = ranges[reader.source]
                found.extend(reader.read(topics, start, end - start, until=end)[0])
        return found


@dataclass(slots=True)
class _Found:
    """What a poll has found in one file so far, from `start` to before `end`."""

    reader: OutboxReader
    start: int
    end: int = field(init=False)
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = self.start

    def read_on(self, topics: Sequence[str], limit: int) -> int:
        """Read up to `limit` records more; how many there were."""
        if limit <= 0:
            return 0
        more, self.end = self.reader.read(topics, self.end, limit)
        self.records += more
        return len(more)


def _next(positions: Mapping[str, Position], reader: OutboxReader) -> int:
    return positions.get(reader.source, Position()).next_offset


def _left(positions: Mapping[str, Position], reader: OutboxReader) -> int:
    """How many records of a file are still to come; none of one that cannot be read, as `poll` tells."""
    try:
        return max(0, reader.end - _next(positions, reader))
    except UNREADABLE:
        return 0
