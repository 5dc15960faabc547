"""The desk: every reason to alert and every passing of time is decided here, one transaction at a time."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from services.alerting.domain.alert import Alert, Change, Signal, Step, advanced, joined, opened
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.hearing import Hearing
from services.alerting.domain.notification import Notification, notification_of
from services.alerting.domain.rule import Rule, When
from services.alerting.domain.turn import Turn
from shared.clock import Clock
from shared.ids import derived_id
from shared.metrics import ALERTS_CHANGED


class Docket(Protocol):
    """The alerts at one moment. Its methods raise `Unavailable`."""

    async def uncounted(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Those whose cause the rule has not counted before, each cause once."""
        ...

    async def open_alerts(self, dedupe_keys: Collection[str]) -> Sequence[Alert]:
        """The alerts of these keys that are not resolved."""
        ...

    async def stirring(self, now: datetime, quiet_since: Mapping[str, datetime]) -> Sequence[Alert]:
        """The open alerts that are to be told by now, or not seen since their rule's time, or of no rule."""
        ...


class Ledger(Docket, Protocol):
    """The alerts in a transaction that no other desk's overlaps."""

    async def record(self, turn: Turn) -> None:
        """Write a turn; it is kept when the transaction ends. Raises `Unavailable`."""
        ...


class Alerts(Protocol):
    """Where alerts are kept, for all desks."""

    def reading(self) -> AbstractAsyncContextManager[Docket]:
        """The alerts as they stand; another desk may change them at once. Raises `Unavailable`."""
        ...

    def deciding(self) -> AbstractAsyncContextManager[Ledger]:
        """A transaction, all of it or nothing. Raises `Unavailable`: nothing was written then."""
        ...


class Desk:
    """Decides on what is stored and remembers nothing, so that any number of desks may sit side by side.

    A desk looks before it takes its turn: most signals were counted, and most ticks change nothing.
    """

    def __init__(
        self, rules: Mapping[str, Rule], channels: Sequence[str], store: Alerts, clock: Clock
    ) -> None:
        self._rules = rules
        self._channels = frozenset(channels)
        self._store = store
        self._clock = clock

    async def report(self, signals: Sequence[Signal]) -> None:
        """Count signals and tell what they lead to. A signal that was counted before changes nothing."""
        if not signals:
            return
        async with self._store.reading() as docket:
            if not await docket.uncounted(signals):
                return
        async with self._store.deciding() as ledger:
            turn = await self._counted(ledger, signals)
            await ledger.record(turn)
        _tell(turn)

    async def tick(self, hearing: Hearing) -> None:
        """Tell, repeat and resolve what has become due, as far as the facts were heard."""
        async with self._store.reading() as docket:
            if not (await self._ticked(docket, hearing)).alerts:
                return
        async with self._store.deciding() as ledger:
            turn = await self._ticked(ledger, hearing)
            await ledger.record(turn)
        _tell(turn)

    async def _counted(self, docket: Docket, signals: Sequence[Signal]) -> Turn:
        """The turn that counts what was not counted."""
        now = self._clock.now()
        fresh = await docket.uncounted(signals)
        keys = {self._rules[signal.rule].dedupe_key(signal.place) for signal in fresh}
        alerts = {alert.dedupe_key: alert for alert in await docket.open_alerts(keys)}
        for signal in fresh:
            rule = self._rules[signal.rule]
            key = rule.dedupe_key(signal.place)
            alerts[key] = (
                joined(alerts[key], signal, now)
                if key in alerts
                else opened(derived_id(key, signal.cause), rule, signal, now)
            )
        steps = [advanced(alert, self._rules[alert.rule], now, now) for alert in alerts.values()]
        return self._turn(now, steps, fresh)

    async def _ticked(self, docket: Docket, hearing: Hearing) -> Turn:
        """The turn that time brings about; it has no alerts when there is nothing to do."""
        now = self._clock.now()
        quiet_since = {
            name: now - timedelta(seconds=rule.quiet_seconds) for name, rule in self._rules.items()
        }
        alerts = await docket.stirring(now, quiet_since)
        steps = [
            step for alert in alerts if (step := self._advanced(alert, now, hearing)).alert != alert
        ]
        return self._turn(now, steps)

    def _advanced(self, alert: Alert, now: datetime, hearing: Hearing) -> Step:
        return advanced(alert, self._rules.get(alert.rule), now, hearing.of(alert, now))

    def _turn(self, now: datetime, steps: Sequence[Step], counted: Sequence[Signal] = ()) -> Turn:
        return Turn(
            at=now,
            alerts=[step.alert for step in steps],
            counted=counted,
            notifications=[_notification(step.alert, step.change) for step in steps if step.change],
            deliveries=[delivery for step in steps for delivery in self._deliveries(step, now)],
        )

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


def _tell(turn: Turn) -> None:
    for told in turn.notifications:
        ALERTS_CHANGED.labels(told.change, told.severity).inc()
