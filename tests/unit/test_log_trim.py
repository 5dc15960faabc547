"""Claims of the trimmer and of an outbox that cannot begin: the disk may be full, and a file damaged."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from shared.clock import SimulatedClock, SystemClock
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.trim import Trimmer
from tests.builders import NOW
from tests.logs import a_fact
from tests.scripted import pass_time


class FullOutbox(SqliteOutbox):
    """An outbox on a disk that has no room at first."""

    tries = 0

    async def trim(self, *_: object) -> int:
        self.tries += 1
        if self.tries == 1:
            raise sqlite3.OperationalError("database or disk is full")
        return 0


async def test_a_disk_that_is_full_is_waited_for(tmp_path: Path) -> None:
    clock, stop = SimulatedClock(NOW), asyncio.Event()
    async with FullOutbox(tmp_path / "edge-0.db", clock) as outbox:
        trimmer = Trimmer("edge-0", outbox, FolderLog(tmp_path), [], clock)
        running = asyncio.create_task(trimmer.run(stop))
        while outbox.tries < 2:
            await pass_time(clock, 60)
        stop.set()
        await pass_time(clock, 60)
        await running

    assert outbox.tries == 2


async def test_an_outbox_that_cannot_begin_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "edge-0.db"
    async with SqliteOutbox(path, SystemClock()) as outbox:
        await outbox.append([a_fact(1)])
    with sqlite3.connect(path) as db:
        [page] = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'open_calls'"
        ).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError):
            await SqliteOutbox(path, SystemClock()).__aenter__()
