"""The rounds: what time alone brings about, facts that are still to be told, and what may be forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import orjson
import structlog

from leeway_pb.v1.alert_pb2 import AlertChanged

from services.alerting.domain.hearing import Hearing
from services.alerting.domain.notification import Notification
from shared.clock import Clock, micros, pause
from shared.errors import Unavailable
from shared.log.record import Fact, Outbox
from shared.topics import ALERT_CHANGED

log = structlog.get_logger()

PUBLISH_AT_ONCE = 500
TELLING = timedelta(seconds=10)  # that a member has to put what it claimed into its outbox
PRUNE_SECONDS = 3600.0


class Ticking(Protocol):
    """Who decides what time brings about."""

    async def tick(self, hearing: Hearing) -> None:
        """Tell, repeat and resolve what has become due. Raises `Unavailable`."""
        ...


class Changes(Protocol):
    """The outbox of facts, and what is past."""

    async def claim_changes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[Notification]:
        """The oldest changes that are no facts yet and that nobody claimed; others leave them alone
        until `until`. Raises `Unavailable`."""
        ...

    async def mark_published(self, notification_ids: Sequence[str], now: datetime) -> None:
        """These changes are in the log. Raises `Unavailable`."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget what ended before a time. Raises `Unavailable`."""
        ...


class Rounds:
    """Made once a second, by every member. A change becomes a fact at least once, and its event id is
    always the same: the warehouse keeps one row of those that a crash made two."""

    def __init__(
        self,
        desk: Ticking,
        changes: Changes,
        outbox: Outbox,
        clock: Clock,
        hearing: Callable[[], Hearing],
        keep: timedelta,
    ) -> None:
        self._desk = desk
        self._hearing = hearing
        self._changes = changes
        self._outbox = outbox
        self._clock = clock
        self._keep = keep
        self._prune_at = clock.monotonic()

    async def make(self) -> None:
        """One round. Raises `Unavailable`; the next one takes up what was left."""
        await self._desk.tick(self._hearing())
        await self._publish()
        if self._clock.monotonic() >= self._prune_at:
            await self._changes.prune(self._clock.now() - self._keep)
            self._prune_at = self._clock.monotonic() + PRUNE_SECONDS

    async def _publish(self) -> None:
        while told := await self._claimed():
            await self._outbox.append([fact_of(notification) for notification in told])
            ids = [notification.notification_id for notification in told]
            await self._changes.mark_published(ids, self._clock.now())

    async def _claimed(self) -> Sequence[Notification]:
        now = self._clock.now()
        return await self._changes.claim_changes(now, now + TELLING, PUBLISH_AT_ONCE)


def fact_of(told: Notification) -> Fact:
    """The alert.changed.v1 fact of a change."""
    message = AlertChanged(
        alert_id=told.alert_id,
        tenant=told.tenant,
        rule=told.rule,
        dedupe_key=told.dedupe_key,
        state=told.state,
        severity=told.severity,
        title=told.title,
        body=told.body,
        occurrences=told.occurrences,
        started_at_us=micros(told.started_at),
        changed_at_us=micros(told.changed_at),
        evidence=orjson.dumps(
            {"change": told.change, "labels": told.labels, "sql": told.sql, "seen": told.evidence}
        ).decode(),
    )
    return Fact(ALERT_CHANGED, told.tenant, told.notification_id, message.SerializeToString())


async def repeat(
    action: Callable[[], Awaitable[None]],
    pause_seconds: float,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Do something again and again until `stop` is set; what is unavailable is tried at the next turn."""
    while not stop.is_set():
        try:
            await action()
        except Unavailable as fault:
            log.warning("alerting.postponed", reason=fault.message)
        await pause(clock, pause_seconds, stop)
