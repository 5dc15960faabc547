"""Every SQL statement of alerting; a turn is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.domain.alert import Alert, Signal, State
from services.alerting.domain.delivery import Delivery, DeliveryState, Settlement
from services.alerting.domain.notification import Notification
from services.alerting.domain.turn import Turn
from services.alerting.rows import (
    alert_of,
    delivery_of,
    notification_of,
    row_of_alert,
    row_of_delivery,
    row_of_notification,
)
from services.alerting.tables import ALERTS, CAUSES, CHANGES, DELIVERIES
from shared.clock import micros
from shared.database import Database


@dataclass(frozen=True, slots=True)
class Listed:
    """An alert with what became of its deliveries: how many wait, arrived, or are dead."""

    alert: Alert
    deliveries: Mapping[DeliveryState, int]


class AlertStore:
    """Alerting's tables in the control database. Every method raises `Unavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_alerts(self) -> Sequence[Alert]:
        """Every alert that is not resolved."""
        async with self._database.reading() as connection:
            query = select(ALERTS).where(ALERTS.c.state != State.RESOLVED.value)
            rows = await connection.execute(query)
            return [alert_of(row) for row in rows.mappings()]

    async def uncounted(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Those whose cause the rule has not counted before, each cause once."""
        async with self._database.reading() as connection:
            query = select(CAUSES.c.rule, CAUSES.c.cause).where(
                CAUSES.c.cause.in_({signal.cause for signal in signals})
            )
            rows = await connection.execute(query)
            counted = {(row.rule, row.cause) for row in rows}
        fresh = {
            (signal.rule, signal.cause): signal
            for signal in signals
            if (signal.rule, signal.cause) not in counted
        }
        return list(fresh.values())

    async def record(self, turn: Turn) -> None:
        """Write a turn, all of it or nothing."""
        async with self._database.writing() as connection:
            await _write_alerts(connection, turn)
            if turn.notifications:
                rows = [row_of_notification(told) for told in turn.notifications]
                await connection.execute(insert(CHANGES), rows)
            if turn.deliveries:
                rows = [row_of_delivery(delivery) for delivery in turn.deliveries]
                await connection.execute(insert(DELIVERIES), rows)

    async def unpublished(self, limit: int) -> Sequence[Notification]:
        """The oldest changes that are no facts yet."""
        async with self._database.reading() as connection:
            query = (
                select(CHANGES.c.notification)
                .where(CHANGES.c.published_at_us.is_(None))
                .order_by(CHANGES.c.changed_at_us, CHANGES.c.notification_id)
                .limit(limit)
            )
            return [notification_of(row.notification) for row in await connection.execute(query)]

    async def mark_published(self, notification_ids: Sequence[str], now: datetime) -> None:
        """These changes are in the log."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(CHANGES)
                .where(CHANGES.c.notification_id.in_(notification_ids))
                .values(published_at_us=micros(now))
            )

    async def due(self, channel: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """The channel's waiting deliveries whose time has come, oldest first.

        Of one alert's deliveries only the first that waits: "resolved" never overtakes "fired".
        """
        earlier = DELIVERIES.alias("earlier")
        behind = exists().where(
            earlier.c.channel == DELIVERIES.c.channel,
            earlier.c.dedupe_key == DELIVERIES.c.dedupe_key,
            earlier.c.state == DeliveryState.WAITING.value,
            earlier.c.created_at_us < DELIVERIES.c.created_at_us,
        )
        query = (
            select(DELIVERIES, CHANGES.c.notification)
            .join(CHANGES, CHANGES.c.notification_id == DELIVERIES.c.notification_id)
            .where(
                DELIVERIES.c.channel == channel,
                DELIVERIES.c.state == DeliveryState.WAITING.value,
                DELIVERIES.c.next_attempt_at_us <= micros(now),
                ~behind,
            )
            .order_by(DELIVERIES.c.next_attempt_at_us, DELIVERIES.c.delivery_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return [delivery_of(row) for row in rows.mappings()]

    async def settle(self, delivery_id: str, settlement: Settlement, now: datetime) -> None:
        """Write what an attempt made of a delivery."""
        waiting = settlement.state is DeliveryState.WAITING
        async with self._database.writing() as connection:
            await connection.execute(
                update(DELIVERIES)
                .where(DELIVERIES.c.delivery_id == delivery_id)
                .values(
                    state=settlement.state.value,
                    attempts=settlement.attempts,
                    next_attempt_at_us=micros(settlement.next_attempt_at),
                    settled_at_us=None if waiting else micros(now),
                    reason=settlement.reason,
                )
            )

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


async def _write_alerts(connection: AsyncConnection, turn: Turn) -> None:
    if turn.alerts:
        ids = [alert.alert_id for alert in turn.alerts]
        await connection.execute(delete(ALERTS).where(ALERTS.c.alert_id.in_(ids)))
        await connection.execute(insert(ALERTS), [row_of_alert(alert) for alert in turn.alerts])
    if turn.counted:
        rows = [
            {
                "rule": signal.rule,
                "cause": signal.cause,
                "tenant": signal.place.tenant,
                "seen_at_us": micros(turn.at),
            }
            for signal in turn.counted
        ]
        await connection.execute(insert(CAUSES), rows)
