"""The desk: every reason to alert and every passing of time is decided here, one at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.alerting.domain.alert import (
    Alert,
    Change,
    Signal,
    State,
    Step,
    advanced,
    joined,
    opened,
)
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification, notification_of
from services.alerting.domain.rule import Rule, When
from services.alerting.domain.turn import Turn
from shared.clock import Clock
from shared.ids import derived_id
from shared.metrics import ALERTS_CHANGED


class Alerts(Protocol):
    """Where alerts are kept."""

    async def open_alerts(self) -> Sequence[Alert]:
        """Every alert that is not resolved. Raises `Unavailable`."""
        ...

    async def uncounted(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Those whose cause the rule has not counted before. Raises `Unavailable`."""
        ...

    async def record(self, turn: Turn) -> None:
        """Write a turn, all of it or nothing. Raises `Unavailable`."""
        ...


class Desk:
    """The open alerts, in memory as they are in the store: only the desk writes them."""

    def __init__(
        self, rules: Mapping[str, Rule], channels: Sequence[str], store: Alerts, clock: Clock
    ) -> None:
        self._rules = rules
        self._channels = frozenset(channels)
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._open: dict[str, Alert] = {}

    async def load(self) -> None:
        """Take up the alerts that are open; before anything else."""
        async with self._lock:
            self._open = {alert.dedupe_key: alert for alert in await self._store.open_alerts()}

    async def report(self, signals: Sequence[Signal]) -> None:
        """Count signals and tell what they lead to. A signal that was counted before changes nothing."""
        if not signals:
            return
        async with self._lock:
            now = self._clock.now()
            fresh = await self._store.uncounted(signals)
            alerts = dict(self._open)
            touched = {}
            for signal in fresh:
                alert = self._counted(alerts, signal, now)
                alerts[alert.dedupe_key] = touched[alert.dedupe_key] = alert
            await self._settle(list(touched.values()), fresh, now, now)

    async def tick(self, heard_at: datetime) -> None:
        """Tell, repeat and resolve what has become due; all facts up to `heard_at` were reported."""
        async with self._lock:
            await self._settle(list(self._open.values()), (), self._clock.now(), heard_at)

    def _counted(self, alerts: Mapping[str, Alert], signal: Signal, now: datetime) -> Alert:
        rule = self._rules[signal.rule]
        key = rule.dedupe_key(signal.place)
        alert = alerts.get(key)
        if alert is None:
            return opened(derived_id(key, signal.cause), rule, signal, now)
        return joined(alert, signal, now)

    async def _settle(
        self,
        alerts: Sequence[Alert],
        counted: Sequence[Signal],
        now: datetime,
        heard_at: datetime,
    ) -> None:
        """Let time work on the alerts, write what changed as one turn, and only then remember it."""
        steps = [advanced(alert, self._rules.get(alert.rule), now, heard_at) for alert in alerts]
        changed = [step.alert for step in steps if step.alert != self._open.get(_key(step.alert))]
        if not changed and not counted:
            return
        deliveries = [delivery for step in steps for delivery in self._deliveries(step, now)]
        notifications = [_notification(step.alert, step.change) for step in steps if step.change]
        await self._store.record(Turn(now, changed, counted, notifications, deliveries))
        for alert in changed:
            if alert.state is State.RESOLVED:
                self._open.pop(_key(alert), None)
            else:
                self._open[_key(alert)] = alert
        for told in notifications:
            ALERTS_CHANGED.labels(told.change, told.severity).inc()

    def _deliveries(self, step: Step, now: datetime) -> Sequence[Delivery]:
        """One for each of the alert's channels that is there; a dead channel is not told of itself."""
        if step.change is None:
            return ()
        told = _notification(step.alert, step.change)
        dead = step.alert.place.channel if step.alert.when is When.DELIVERY else ""
        return [
            Delivery(derived_id(told.notification_id, name), name, told, 0, now)
            for name in step.alert.channels
            if name in self._channels and name != dead
        ]


def _notification(alert: Alert, change: Change) -> Notification:
    number = str(alert.notifications)
    return notification_of(derived_id(alert.alert_id, change, number), alert, change)


def _key(alert: Alert) -> str:
    return alert.dedupe_key
