"""How far the registry's changes go: one look at the database for all who watch, and for its health."""

import asyncio
from typing import Protocol

import structlog

from shared.clock import Clock, pause
from shared.errors import Unavailable

log = structlog.get_logger()


class Revisions(Protocol):
    """Where changes are numbered."""

    async def last_revision(self) -> int:
        """The newest revision. Raises `Unavailable`."""
        ...


class Announce(Protocol):
    """Whom to tell whether the database answers."""

    async def __call__(self, *, serving: bool) -> None: ...


class Tail:
    """Looks for new changes every `interval_seconds`; `ended` when it does so no more."""

    def __init__(
        self, revisions: Revisions, clock: Clock, announce: Announce, *, interval_seconds: float
    ) -> None:
        self._revisions = revisions
        self._clock = clock
        self._announce = announce
        self._interval_seconds = interval_seconds
        self._newest = 0
        self._moved = asyncio.Event()
        self.ended = False

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            await self._look()
            await pause(self._clock, self._interval_seconds, stop)
        self.ended = True
        self._move()

    async def beyond(self, revision: int, seconds: float) -> None:
        """Return when there are changes behind the revision, when `seconds` have passed, or at the end."""
        if self._newest <= revision and not self.ended:
            await pause(self._clock, seconds, self._moved)

    async def _look(self) -> None:
        try:
            newest = await self._revisions.last_revision()
        except Unavailable as error:
            log.warning("registry.database_away", reason=error.message)
            await self._announce(serving=False)
            return
        await self._announce(serving=True)
        if newest != self._newest:
            self._newest = newest
            self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
