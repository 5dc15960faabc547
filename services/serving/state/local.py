"""The state of one machine: a file of values, and a table of meters, in a folder that its workers share."""

import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from services.serving.state.file import SharedFile
from services.serving.state.port import Change, Claimed, Draw, Place, Taken
from services.serving.state.table import SharedTable
from shared.clock import Clock
from shared.errors import Unavailable


class LocalState:
    """One worker's part in it; satisfies `State`. Open it before use: that raises `Unavailable` without room."""

    def __init__(self, folder: Path, clock: Clock, lease_seconds: float = 15.0) -> None:
        self._folder = folder
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._values = SharedFile(folder / "values.db", clock)
        self._table: SharedTable | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._stack.enter_async_context(self._values)
            # The form of the table is in its name: another form is another file.
            self._table = SharedTable(self._folder / "meters.v1", self._clock, self._lease_seconds)
        except (OSError, sqlite3.Error) as fault:
            await self._stack.aclose()
            raise Unavailable(
                f"What the gateway's workers share cannot be kept in {self._folder}: {fault}."
            ) from fault
        self._stack.callback(self._table.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def get(self, name: str) -> bytes | None:
        return await self._values.get(name)

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self._values.put(name, value, seconds)

    async def drop(self, name: str) -> None:
        await self._values.drop(name)

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        return await self._values.claim(name, value, seconds)

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        return await self._values.replace(name, fence, value, seconds)

    async def release(self, name: str, fence: int) -> bool:
        return await self._values.release(name, fence)

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        return await self._meters.take(draws, places)

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        await self._meters.give(changes, places)

    async def beat(self) -> int:
        return await self._meters.beat()

    @property
    def _meters(self) -> SharedTable:
        assert self._table is not None, "LocalState is used before it is opened"
        return self._table
