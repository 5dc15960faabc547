"""Tells the registry's changes: rows of `changes` become facts of registry.changed.v1."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.registry.domain import Revision
from shared.clock import Clock, micros, pause
from shared.errors import Unavailable
from shared.ids import derived_id
from shared.log.record import Fact, Outbox
from shared.topics import REGISTRY_CHANGED

log = structlog.get_logger()

BATCH = 500
CLAIM = timedelta(seconds=2)


class Changes(Protocol):
    """The changes that are still to be told."""

    async def installation_id(self) -> str:
        """The name that tells this control plane's facts from every other's."""
        ...

    async def last_revision(self) -> int:
        """The newest revision."""
        ...

    async def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Revision]:
        """The oldest changes that nobody told or claimed; others leave them alone until `until`."""
        ...

    async def mark_published(self, revisions: Sequence[int], now: datetime) -> None:
        """These changes are told."""
        ...


class Publisher:
    """Appends changes to the outbox, at least once each; several processes may do so side by side.

    `opening_revision` is the newest revision that was there when it began, None before.
    """

    def __init__(
        self, changes: Changes, outbox: Outbox, clock: Clock, *, interval_seconds: float
    ) -> None:
        self._changes = changes
        self._outbox = outbox
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._woken = asyncio.Event()
        self.opening_revision: int | None = None

    def wake(self) -> None:
        """There is a change: do not wait for the interval to end."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Tell changes as they come, until `stop` is set; a refusing store or outbox is tried again."""
        while not stop.is_set():
            self._woken.clear()
            try:
                if self.opening_revision is None:
                    self.opening_revision = await self._changes.last_revision()
                told = await self.publish()
            except Unavailable as error:
                log.warning("registry.publishing_failed", reason=error.message)
                told = 0
            if told < BATCH:
                await pause(self._clock, self._interval_seconds, stop, self._woken)

    async def publish(self) -> int:
        """Tell the oldest changes once; returns how many. Raises `Unavailable`."""
        now = self._clock.now()
        revisions = await self._changes.claim(now, now + CLAIM, BATCH)
        if not revisions:
            return 0
        installation_id = await self._changes.installation_id()
        await self._outbox.append([fact_of(revision, installation_id) for revision in revisions])
        await self._changes.mark_published(
            [revision.revision for revision in revisions], self._clock.now()
        )
        log.info("registry.published", changes=len(revisions), revision=revisions[-1].revision)
        return len(revisions)


def fact_of(revision: Revision, installation_id: str) -> Fact:
    """The fact of a change: the same change is the same event, however often it is told."""
    event_id = derived_id("registry", installation_id, str(revision.revision))
    value = message_of(revision).SerializeToString()
    return Fact(REGISTRY_CHANGED, revision.tenant, event_id, value)


def message_of(revision: Revision) -> RegistryChanged:
    """A change, as everyone else reads it."""
    return RegistryChanged(
        tenant=revision.tenant,
        revision=revision.revision,
        entity=revision.entity,
        entity_id=revision.entity_id,
        deleted=revision.deleted,
        body=revision.body,
        actor=revision.actor,
        changed_at_us=micros(revision.changed_at),
    )
