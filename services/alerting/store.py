"""Every SQL statement of alerting; a turn is decided and written in one transaction."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.domain.alert import Alert, Signal, State
from services.alerting.domain.delivery import Claim, Delivery, DeliveryState, Settlement
from services.alerting.domain.notification import Notification
from services.alerting.domain.turn import Turn
from services.alerting.rows import (
    alert_of,
    delivery_of,
    notification_of,
    row_of_alert,
    row_of_cause,
    row_of_delivery,
    row_of_notification,
)
from services.alerting.tables import ALERTS, CAUSES, CHANGES, DELIVERIES
from shared.clock import micros
from shared.database import Database
from shared.errors import Unavailable

_OPEN = (State.PENDING.value, State.FIRING.value)


@dataclass(frozen=True, slots=True)
class Listed:
    """An alert with what became of its deliveries: how many wait, arrived, or are dead."""

    alert: Alert
    deliveries: Mapping[DeliveryState, int]


class AlertStore:
    """Alerting's tables in the control database. Every method raises `Unavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Ledger"]:
        """The alerts as they stand; nothing that is read here may be decided on."""
        async with self._database.reading() as connection:
            yield Ledger(connection)

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator["Ledger"]:
        """The alerts, alone among all desks; what the block writes is kept when it ends."""
        try:
            async with self._database.writing() as connection:
                yield Ledger(connection)
        except IntegrityError as collision:
            raise Unavailable("Another desk wrote the same first; try again.") from collision

    async def claim_changes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[Notification]:
        """The oldest changes that are no facts yet and nobody's, the caller's from now on.

        A claim that no `mark_published` follows lapses at `until`: another then tells them.
        """
        untold = (
            select(CHANGES.c.notification_id)
            .where(CHANGES.c.published_at_us.is_(None), CHANGES.c.claimed_until_us <= micros(now))
            .order_by(CHANGES.c.changed_at_us, CHANGES.c.notification_id)
            .limit(limit)
        )
        if not await self._any(untold):
            return ()
        async with self._database.writing() as connection:
            mine = CHANGES.c.notification_id.in_((await connection.scalars(untold)).all())
            claimed = update(CHANGES).where(mine).values(claimed_until_us=micros(until))
            await connection.execute(claimed)
            query = select(CHANGES.c.notification).where(mine)
            rows = await connection.execute(
                query.order_by(CHANGES.c.changed_at_us, CHANGES.c.notification_id)
            )
            return [notification_of(row.notification) for row in rows]

    async def mark_published(self, notification_ids: Sequence[str], now: datetime) -> None:
        """These changes are in the log."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(CHANGES)
                .where(CHANGES.c.notification_id.in_(notification_ids))
                .values(published_at_us=micros(now))
            )

    async def claim(self, channel: str, claim: Claim, limit: int) -> Sequence[Delivery]:
        """The channel's deliveries whose time has come and that are nobody's, now the claim's; oldest first.

        Of one alert's deliveries only the first that waits: "resolved" never overtakes "fired".
        """
        due = _due(channel, claim.at).limit(limit)
        if not await self._any(due):
            return ()
        async with self._database.writing() as connection:
            mine = DELIVERIES.c.delivery_id.in_((await connection.scalars(due)).all())
            await connection.execute(
                update(DELIVERIES)
                .where(mine)
                .values(claimed_by=claim.by, claimed_until_us=micros(claim.until))
            )
            query = select(DELIVERIES, CHANGES.c.notification).join(
                CHANGES, CHANGES.c.notification_id == DELIVERIES.c.notification_id
            )
            order = (DELIVERIES.c.next_attempt_at_us, DELIVERIES.c.delivery_id)
            rows = await connection.execute(query.where(mine).order_by(*order))
            return [delivery_of(row) for row in rows.mappings()]

    async def settle(
        self, delivery_id: str, claim: Claim, settlement: Settlement, now: datetime
    ) -> bool:
        """Write what an attempt made of a delivery; False when it is another's by now, or settled."""
        waiting = settlement.state is DeliveryState.WAITING
        async with self._database.writing() as connection:
            settled = await connection.execute(
                update(DELIVERIES)
                .where(
                    DELIVERIES.c.delivery_id == delivery_id,
                    DELIVERIES.c.claimed_by == claim.by,
                    DELIVERIES.c.state == DeliveryState.WAITING.value,
                )
                .values(
                    state=settlement.state.value,
                    attempts=settlement.attempts,
                    next_attempt_at_us=micros(settlement.next_attempt_at),
                    settled_at_us=None if waiting else micros(now),
                    reason=settlement.reason,
                    claimed_by="",
                    claimed_until_us=0,
                )
            )
            return settled.rowcount == 1

    async def abandon(self, channels: Collection[str], now: datetime) -> int:
        """Give up what waits for channels that are not among these; the number of deliveries."""
        async with self._database.writing() as connection:
            given_up = await connection.execute(
                update(DELIVERIES)
                .where(
                    DELIVERIES.c.state == DeliveryState.WAITING.value,
                    DELIVERIES.c.channel.not_in(channels),
                )
                .values(
                    state=DeliveryState.DEAD.value,
                    settled_at_us=micros(now),
                    reason="The channel is no longer configured.",
                )
            )
            return given_up.rowcount

    async def prune(self, before: datetime) -> None:
        """Forget what ended before a time: the warehouse keeps the history."""
        end = micros(before)
        kept = select(DELIVERIES.c.notification_id)
        async with self._database.writing() as connection:
            await connection.execute(delete(DELIVERIES).where(DELIVERIES.c.settled_at_us < end))
            await connection.execute(
                delete(CHANGES).where(
                    CHANGES.c.published_at_us < end, CHANGES.c.notification_id.not_in(kept)
                )
            )
            await connection.execute(delete(CAUSES).where(CAUSES.c.seen_at_us < end))
            await connection.execute(
                delete(ALERTS).where(
                    ALERTS.c.state == State.RESOLVED.value, ALERTS.c.changed_at_us < end
                )
            )

    async def newest(self, limit: int) -> Sequence[Listed]:
        """The alerts that changed last, newest first."""
        query = select(ALERTS).order_by(ALERTS.c.changed_at_us.desc()).limit(limit)
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            alerts = [alert_of(row) for row in rows.mappings()]
            made: dict[str, dict[DeliveryState, int]] = {alert.alert_id: {} for alert in alerts}
            counts = (
                select(DELIVERIES.c.alert_id, DELIVERIES.c.state, func.count())
                .where(DELIVERIES.c.alert_id.in_(made))
                .group_by(DELIVERIES.c.alert_id, DELIVERIES.c.state)
            )
            for alert_id, state, count in await connection.execute(counts):
                made[alert_id][DeliveryState(state)] = count
        return [Listed(alert, made[alert.alert_id]) for alert in alerts]

    async def _any(self, query: Select[Any]) -> bool:
        """Whether there is anything: most rounds find nothing, and need not queue to write."""
        async with self._database.reading() as connection:
            return await connection.scalar(query) is not None


class Ledger:
    """One transaction over the alerts and what they count."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def uncounted(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Those whose cause the rule has not counted before, each cause once."""
        query = select(CAUSES.c.rule, CAUSES.c.cause).where(
            CAUSES.c.cause.in_({signal.cause for signal in signals})
        )
        counted = {(row.rule, row.cause) for row in await self._connection.execute(query)}
        fresh = {
            (signal.rule, signal.cause): signal
            for signal in signals
            if (signal.rule, signal.cause) not in counted
        }
        return list(fresh.values())

    async def open_alerts(self, dedupe_keys: Collection[str]) -> Sequence[Alert]:
        """The alerts of these keys that are not resolved."""
        return await self._alerts(select(ALERTS).where(ALERTS.c.dedupe_key.in_(dedupe_keys)))

    async def stirring(self, now: datetime, quiet_since: Mapping[str, datetime]) -> Sequence[Alert]:
        """The open alerts that are to be told by now, or not seen since their rule's time, or of no rule."""
        quiet = [
            and_(ALERTS.c.rule == rule, ALERTS.c.seen_at_us <= micros(since))
            for rule, since in quiet_since.items()
        ]
        due = ALERTS.c.notify_at_us <= micros(now)
        return await self._alerts(
            select(ALERTS).where(or_(due, ALERTS.c.rule.not_in(quiet_since), *quiet))
        )

    async def record(self, turn: Turn) -> None:
        """Write a turn."""
        if turn.alerts:
            ids = [alert.alert_id for alert in turn.alerts]
            await self._connection.execute(delete(ALERTS).where(ALERTS.c.alert_id.in_(ids)))
        tables = {
            ALERTS: [row_of_alert(alert) for alert in turn.alerts],
            CAUSES: [row_of_cause(signal, turn.at) for signal in turn.counted],
            CHANGES: [row_of_notification(told) for told in turn.notifications],
            DELIVERIES: [row_of_delivery(delivery) for delivery in turn.deliveries],
        }
        for table, rows in tables.items():
            if rows:
                await self._connection.execute(insert(table), rows)

    async def _alerts(self, query: Select[Any]) -> Sequence[Alert]:
        order = (ALERTS.c.changed_at_us, ALERTS.c.alert_id)
        rows = await self._connection.execute(
            query.where(ALERTS.c.state.in_(_OPEN)).order_by(*order)
        )
        return [alert_of(row) for row in rows.mappings()]


def _due(channel: str, now: datetime) -> Select[Any]:
    """The ids of what may be sent over a channel."""
    earlier = DELIVERIES.alias("earlier")
    behind = exists().where(
        earlier.c.channel == DELIVERIES.c.channel,
        earlier.c.dedupe_key == DELIVERIES.c.dedupe_key,
        earlier.c.state == DeliveryState.WAITING.value,
        earlier.c.created_at_us < DELIVERIES.c.created_at_us,
    )
    return (
        select(DELIVERIES.c.delivery_id)
        .where(
            DELIVERIES.c.channel == channel,
            DELIVERIES.c.state == DeliveryState.WAITING.value,
            DELIVERIES.c.next_attempt_at_us <= micros(now),
            DELIVERIES.c.claimed_until_us <= micros(now),
            ~behind,
        )
        .order_by(DELIVERIES.c.next_attempt_at_us, DELIVERIES.c.delivery_id)
    )
