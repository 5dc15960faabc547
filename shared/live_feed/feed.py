"""Keeps a live view as the registry has it, and useful while the registry is away."""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, TypeVar

import structlog

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.clock import Clock
from shared.errors import Invalid, LeewayError, Unavailable
from shared.live import LiveView
from shared.live_feed.file import Kept, LiveFile
from shared.live_feed.told import Connect, Source, Told
from shared.metrics import LIVE_REVISION, LIVE_STALE_SINCE

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a silent registry is waited for (three of its heartbeats), and one that is away."""

    silence_seconds: float = 15.0
    first_pause_seconds: float = 0.2
    last_pause_seconds: float = 10.0


class LiveFeed:
    """Follows the registry into a view: a snapshot, then every change, and again after each loss.

    `caught_up` is set once the view holds what the registry has or, with the registry away, what the
    file kept. `stale_since` is since when the view may be out of date, None while it is current: keys
    that were revoked since then still open, which is the price of serving on.
    """

    def __init__(
        self,
        connect: Connect,
        live: LiveView,
        file: LiveFile,
        clock: Clock,
        random: Random,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._connect = connect
        self._live = live
        self._file = file
        self._clock = clock
        self._random = random
        self._patience = patience or Patience()
        self._held: dict[tuple[str, str], RegistryChanged] = {}
        self._heard_at: datetime | None = None
        self._failures = 0
        self.stale_since: datetime | None = None
        self.caught_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set."""
        following = asyncio.ensure_future(self._follow())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            await _end(following, stopped)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._connect() as source:
                    await self._hold(source)
            except LeewayError as error:
                await self._lose(error)
            await self._clock.sleep(self._pause_seconds())

    async def _hold(self, source: Source) -> None:
        """Stay current for as long as the source does; raises what ended it."""
        told = await self._in_time(source.snapshot())
        self._become(told)
        self._mark_current()
        self.caught_up.set()
        await self._keep()
        async with aclosing(source.watch(told.revision)) as replies:
            while True:
                await self._take(await self._in_time(anext(replies)))

    async def _in_time(self, asked: Awaitable[T]) -> T:
        """The answer. Raises `Unavailable` when the source was silent for too long: it may be half open."""
        answer = asyncio.ensure_future(asked)
        silence = asyncio.ensure_future(self._clock.sleep(self._patience.silence_seconds))
        try:
            await asyncio.wait({answer, silence}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                seconds = self._patience.silence_seconds
                raise Unavailable(f"The registry was silent for {seconds:g} seconds.")
            return answer.result()
        finally:
            await _end(answer, silence)

    def _become(self, told: Told) -> None:
        """Hold what was told and nothing else: what is missing from it was deleted meanwhile."""
        self._held = {_identity(change): change for change in told.changes}
        self._live.become(told.changes, told.revision)
        LIVE_REVISION.set(told.revision)

    async def _take(self, told: Told) -> None:
        for change in told.changes:
            self._live.apply(change)
            if change.deleted:
                self._held.pop(_identity(change), None)
            else:
                self._held[_identity(change)] = change
        self._mark_current()
        self._failures = 0
        LIVE_REVISION.set(told.revision)
        if told.changes:
            await self._keep()

    def _mark_current(self) -> None:
        self._heard_at = self._clock.now()
        if self.stale_since is not None:
            log.info("live.current", revision=self._live.revision, was_stale_since=self.stale_since)
        self._mark_stale(None)

    def _mark_stale(self, since: datetime | None) -> None:
        self.stale_since = since
        LIVE_STALE_SINCE.set(since.timestamp() if since else 0)

    async def _keep(self) -> None:
        """Keep what is live for the next start; a disk that is full takes nothing down."""
        told = Told(self._live.revision, tuple(self._held.values()))
        kept = Kept(told, self._heard_at or self._clock.now())
        try:
            await asyncio.to_thread(self._file.write, kept)
        except OSError as error:
            log.warning("live.not_kept", reason=str(error))

    async def _lose(self, error: LeewayError) -> None:
        self._failures += 1
        if not self.caught_up.is_set():
            await self._start_from_file()
        elif self.stale_since is None:
            self._mark_stale(self._heard_at)
        log.warning(
            "live.stale" if self.caught_up.is_set() else "live.nothing_to_start_from",
            reason=error.message,
            since=self.stale_since,
            failures=self._failures,
        )

    async def _start_from_file(self) -> None:
        try:
            kept = await asyncio.to_thread(self._file.read)
        except Invalid as error:
            log.error("live.file_refused", reason=error.message)
            return
        if kept is None:
            return
        self._become(kept.told)
        self._mark_stale(kept.current_at)
        self.caught_up.set()

    def _pause_seconds(self) -> float:
        """Doubling, up to a bound; half of it by chance, so that a fleet does not come back as one."""
        doubled = self._patience.first_pause_seconds * 2.0 ** min(self._failures - 1, 30)
        bounded: float = min(doubled, self._patience.last_pause_seconds)
        return bounded * self._random.uniform(0.5, 1.0)


def _identity(change: RegistryChanged) -> tuple[str, str]:
    return change.entity, change.entity_id


async def _end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what is not done, and wait until it is."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
