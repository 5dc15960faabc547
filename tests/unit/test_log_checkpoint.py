"""Claims of the checkpoints: the write-ahead log stays short, and what it held is in the database."""

import asyncio
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from shared.clock import SystemClock
from shared.log.checkpoint import CheckpointLimits
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact, Position, Record
from shared.topics import INTERACTION_COMPLETED

PAGE = 4096
VALUE = b"v" * 3 * PAGE
LIMITS = CheckpointLimits(pages=40, longest_pages=200, hold_seconds=0.05)
FACTS = 300  # each is more than three pages


def a_fact(n: int) -> Fact:
    return Fact(INTERACTION_COMPLETED, "acme", f"id-{n}", VALUE)


def an_outbox(folder: Path) -> SqliteOutbox:
    return SqliteOutbox(folder / "edge-0.db", SystemClock(), checkpoints=LIMITS)


def wal_pages(folder: Path) -> int:
    return (folder / "edge-0.db-wal").stat().st_size // PAGE


def times_begun(folder: Path) -> bytes:
    """The checkpoint sequence number in the log's header (sqlite.org/fileformat2.html, section 4.1)."""
    with (folder / "edge-0.db-wal").open("rb") as log:
        return log.read(16)[12:]


async def follow(folder: Path, stop: asyncio.Event) -> list[Record]:
    """Everything the log holds from its start, read as groups read it, until `stop` and its end."""
    source, found = FolderLog(folder), list[Record]()
    positions: dict[str, Position] = {}
    while True:
        last = stop.is_set()
        records, ranges = await source.poll([INTERACTION_COMPLETED.name], positions, 50)
        positions |= {name: Position(end) for name, (_, end) in ranges.items()}
        found += records
        if last and not records:
            source.close()
            return found


async def test_the_write_ahead_log_begins_anew_while_groups_read(tmp_path: Path) -> None:
    stop, begun = asyncio.Event(), set[bytes]()
    async with an_outbox(tmp_path) as outbox, asyncio.timeout(10):
        followers = [asyncio.create_task(follow(tmp_path, stop)) for _ in range(3)]
        for n in count():
            await outbox.append([a_fact(n)])
            begun.add(times_begun(tmp_path))
            if len(begun) == 4:
                break
        stop.set()
        found = await asyncio.gather(*followers)

    for records in found:
        assert [record.event_id for record in records] == [f"id-{i}" for i in range(n + 1)]
        assert [record.seq for record in records] == list(range(1, n + 2))


async def test_a_read_that_goes_on_holds_no_append_and_the_log_begins_anew_after_it(
    tmp_path: Path,
) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(0)])
        with closing(sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchone()
            for n in range(1, FACTS):
                await outbox.append([a_fact(n)])
            kept, begun = wal_pages(tmp_path), times_begun(tmp_path)
        async with asyncio.timeout(10):
            for n in count(FACTS):
                await outbox.append([a_fact(n)])
                if times_begun(tmp_path) != begun:
                    break

    assert kept > FACTS * 3
    with closing(sqlite3.connect(tmp_path / "edge-0.db")) as db:
        assert db.execute("SELECT count(*), max(seq) FROM records").fetchone() == (n + 1, n + 1)


async def test_a_closed_outbox_leaves_everything_in_the_database_and_no_log(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(10)])
        source = FolderLog(tmp_path)
        source.readers()  # a reader of another process keeps the files open

    assert wal_pages(tmp_path) == 0
    source.close()
