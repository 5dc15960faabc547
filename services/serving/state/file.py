"""Values and claims in one SQLite file that the workers of a machine share.

One thread of each worker asks it, so that no event loop waits for a disk. `synchronous=NORMAL` keeps what was written
through a kill; with the power the last moments may be lost, and what they held is asked anew.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from services.serving.state.port import Claimed, StateAway
from shared.clock import Clock, micros

_BUSY_SECONDS = 2.0
_SWEPT = 64  # rows whose time has passed, forgotten with every write

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    name TEXT PRIMARY KEY, value BLOB NOT NULL, fence INTEGER NOT NULL, ends_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_ends ON held (ends_us);
CREATE TABLE IF NOT EXISTS fences (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO fences VALUES (1, 0);
"""
_GET = "SELECT value, fence FROM held WHERE name = ? AND ends_us > ?"
_PUT = "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)"
_DROP = "DELETE FROM held WHERE name = ?"
_FENCE = "UPDATE fences SET last = last + 1 RETURNING last"
_REPLACE = "UPDATE held SET value = ?, ends_us = ? WHERE name = ? AND fence = ? AND ends_us > ?"
_RELEASE = "DELETE FROM held WHERE name = ? AND fence = ? AND ends_us > ?"
_SWEEP = "DELETE FROM held WHERE name IN (SELECT name FROM held WHERE ends_us <= ? ORDER BY ends_us LIMIT ?)"

P = ParamSpec("P")
T = TypeVar("T")
Step = Callable[Concatenate[sqlite3.Connection, int, P], T]


class SharedFile:
    """One worker's connection to the file; satisfies `Values` and `Claims`. Open it before use.

    Its ends are of the wall clock, which all workers share and which outlives a restart of the machine.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="serving-state")
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._connection = await loop.run_in_executor(self._thread, self._open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    async def get(self, name: str) -> bytes | None:
        return await self._run(_get, name)

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self._run(_put, name, value, seconds)

    async def drop(self, name: str) -> None:
        await self._run(_drop, name)

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        return await self._run(_claim, name, value, seconds)

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        return await self._run(_replace, name, fence, value, seconds)

    async def release(self, name: str, fence: int) -> bool:
        return await self._run(_release, name, fence)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        return connection

    async def _run(self, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One step as a transaction in the thread. Raises `StateAway`."""
        connection, now_us = self._connection, micros(self._clock.now())
        assert connection is not None, "SharedFile is used before it is opened"

        def whole() -> T:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                return step(connection, now_us, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, whole)
        except sqlite3.Error as fault:
            raise StateAway(f"its file says {fault}") from fault


def _get(connection: sqlite3.Connection, now_us: int, name: str) -> bytes | None:
    found = connection.execute(_GET, (name, now_us)).fetchone()
    return None if found is None else bytes(found[0])


def _put(
    connection: sqlite3.Connection, now_us: int, name: str, value: bytes, seconds: float
) -> None:
    connection.execute(_SWEEP, (now_us, _SWEPT))
    connection.execute(_PUT, (name, value, _next_fence(connection), _end(now_us, seconds)))


def _drop(connection: sqlite3.Connection, _: int, name: str) -> None:
    connection.execute(_DROP, (name,))


def _claim(
    connection: sqlite3.Connection, now_us: int, name: str, value: bytes, seconds: float
) -> Claimed:
    found = connection.execute(_GET, (name, now_us)).fetchone()
    if found is not None:
        return Claimed(int(found[1]), bytes(found[0]))
    connection.execute(_SWEEP, (now_us, _SWEPT))
    fence = _next_fence(connection)
    connection.execute(_PUT, (name, value, fence, _end(now_us, seconds)))
    return Claimed(fence)


def _replace(
    connection: sqlite3.Connection,
    now_us: int,
    name: str,
    fence: int,
    value: bytes,
    seconds: float,
) -> bool:
    changes = (value, _end(now_us, seconds), name, fence, now_us)
    return connection.execute(_REPLACE, changes).rowcount > 0


def _release(connection: sqlite3.Connection, now_us: int, name: str, fence: int) -> bool:
    return connection.execute(_RELEASE, (name, fence, now_us)).rowcount > 0


def _next_fence(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_FENCE).fetchone()[0])


def _end(now_us: int, seconds: float) -> int:
    return now_us + int(seconds * 1_000_000)
