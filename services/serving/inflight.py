"""The calls that are being served now: a process that stops waits for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


class InFlight:
    """Open it to account for what an earlier life left; closing it waits for what is being served."""

    def __init__(self, recover: Callable[[], Awaitable[int]]) -> None:
        self._recover = recover
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> Self:
        await self._recover()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._idle.wait()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """A block in which a call is served."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()
