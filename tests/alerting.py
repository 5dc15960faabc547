"""Builders and fakes of alerting: a valid one each, changed where a test says so."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.alerting.couriers import Courier, Route
from services.alerting.desk import Desk
from services.alerting.domain.alert import Alert, Change, Signal, State, advanced, opened
from services.alerting.domain.delivery import Delivered, Delivery, Outcome, Patience
from services.alerting.domain.hearing import Hearing
from services.alerting.domain.notification import Notification, notification_of
from services.alerting.domain.rule import Place, Rule, Severity, When
from services.alerting.domain.turn import Turn
from services.alerting.rounds import Rounds
from services.alerting.rulebook import rules_of
from services.alerting.settings import Settings
from services.alerting.store import AlertStore
from shared.clock import SimulatedClock
from shared.database import Database
from shared.ids import derived_id
from tests.fakes import FakeOutbox

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
AT_DEMO = Place(tenant="acme", model="demo")


def a_rule(**changes: object) -> Rule:
    """A tenth of at least 10 calls in 5 minutes fail; told to `pager` and `chat`."""
    rule = Rule(
        name="errors",
        when=When.ERROR_RATE,
        channels=("pager", "chat"),
        threshold=Decimal("0.1"),
        window_seconds=300,
        minimum_count=10,
        severity=Severity.CRITICAL,
        renotify_seconds=3600,
        quiet_seconds=300,
    )
    return replace(rule, **changes)  # type: ignore[arg-type]


def a_detection_rule(**changes: object) -> Rule:
    """Every detection; company is awaited for 30 s, and an hour of quiet is the end."""
    rule = a_rule(
        name="drift",
        when=When.DETECTION,
        severity=Severity.WARNING,
        quiet_seconds=3600,
        renotify_seconds=1800,
        group_wait_seconds=30,
    )
    return replace(rule, **changes)  # type: ignore[arg-type]


ERROR_EVIDENCE = {
    "value": "0.25",
    "threshold": "0.1",
    "window_seconds": 300,
    "until": "2026-01-01 12:00:00 UTC",
    "count": 20,
    "failed": 5,
    "errors": {"timeout": 4, "rate_limited": 1},
}
DETECTION_EVIDENCE = {
    "detection_id": "d1",
    "feature": "refusal_rate",
    "detector": "cusum",
    "direction": "up",
    "statistic": 12.3456,
    "threshold": 9.0,
    "window_size": 200,
    "reference_size": 2000,
    "change_at": "2026-01-01 11:30:00 UTC",
    "detected_at": "2026-01-01 12:00:00 UTC",
    "summary": "Refusals rose from 1.0% to 9.5% over the last 200 observations.",
    "interaction_ids": ["i1", "i2"],
}


def a_signal(**changes: object) -> Signal:
    """A quarter of the calls to `demo` fail."""
    signal = Signal("errors", "c1", AT_DEMO, NOW, ERROR_EVIDENCE)
    return replace(signal, **changes)  # type: ignore[arg-type]


def a_detection(**changes: object) -> Signal:
    """Refusals of `demo` rose."""
    return a_signal(**{"rule": "drift", "cause": "d1", "evidence": DETECTION_EVIDENCE, **changes})


def a_firing_alert(**changes: object) -> Alert:
    """An alert that fired this moment."""
    step = advanced(opened("a1", a_rule(), a_signal(), NOW), a_rule(), NOW, NOW)
    return replace(step.alert, **changes)  # type: ignore[arg-type]


def a_notification(change: Change = Change.FIRED, **changes: object) -> Notification:
    """What is told of a firing alert, or of its end."""
    state = State.RESOLVED if change is Change.RESOLVED else State.FIRING
    told = notification_of(derived_id("n1", change), a_firing_alert(state=state), change)
    return replace(told, **changes)  # type: ignore[arg-type]


def a_delivery(change: Change = Change.FIRED, **changes: object) -> Delivery:
    """A notification on its way to `pager`, not tried yet."""
    told = a_notification(change)
    delivery = Delivery(derived_id(told.notification_id, "pager"), "pager", told, 0, NOW)
    return replace(delivery, **changes)  # type: ignore[arg-type]


def a_hearing(until: datetime, *tenants: str) -> Hearing:
    """All facts up to a time, of acme alone unless others are named."""
    return Hearing(until, tenants or ("acme",))


class FakeChannel:
    """A channel that keeps what it is sent; its outcomes are used up one by one, then all is taken."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[Delivery] = []

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        self.sent.append(delivery)
        return self.outcomes.pop(0) if self.outcomes else Delivered()


class FakeAlerts:
    """Alerts in memory, and the ledger over them."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["FakeAlerts"]:
        yield self

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator["FakeAlerts"]:
        yield self

    async def open_alerts(self, dedupe_keys: Collection[str]) -> Sequence[Alert]:
        return [alert for alert in self._open() if alert.dedupe_key in dedupe_keys]

    async def stirring(
        self,
        now: datetime,
        quiet_since: Mapping[str, datetime],
    ) -> Sequence[Alert]:
        return self._open()

    def _open(self) -> Sequence[Alert]:
        latest = {alert.alert_id: alert for turn in self.turns for alert in turn.alerts}
        return [alert for alert in latest.values() if alert.state is not State.RESOLVED]

    async def uncounted(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        counted = {(one.rule, one.cause) for turn in self.turns for one in turn.counted}
        fresh = {(one.rule, one.cause): one for one in signals}
        return [one for key, one in fresh.items() if key not in counted]

    async def record(self, turn: Turn) -> None:
        self.turns.append(turn)

    @property
    def told(self) -> list[str]:
        return [f"{one.change} {one.title}" for turn in self.turns for one in turn.notifications]

    @property
    def deliveries(self) -> list[tuple[str, str]]:
        return [
            (one.channel, one.notification.change) for turn in self.turns for one in turn.deliveries
        ]


class FakeDesk:
    """Keeps the signals it is told of."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    async def report(self, signals: Sequence[Signal]) -> None:
        self.signals.extend(signals)


CHANNELS = ("pager", "chat")
KEEP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Life:
    """One life of alerting's process."""

    store: AlertStore
    desk: Desk
    clock: SimulatedClock

    def courier(self, name: str, channel: FakeChannel) -> Courier:
        return Courier(Route(name, channel, Patience()), self.store, self.desk, self.clock)

    def rounds(self, outbox: FakeOutbox) -> Rounds:
        return Rounds(self.desk, self.store, outbox, self.clock, self._hearing, KEEP)

    async def tick(self) -> None:
        """Let time work, all facts being heard."""
        await self.desk.tick(self._hearing())

    def _hearing(self) -> Hearing:
        return a_hearing(self.clock.now())

    async def deliveries(self) -> dict[str, dict[str, int]]:
        """What became of each rule's deliveries."""
        return {
            listed.alert.rule: {str(state): count for state, count in listed.deliveries.items()}
            for listed in await self.store.newest(100)
        }


class Lives:
    """A control database in which lives follow each other, or live side by side."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = SimulatedClock(NOW)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Life]:
        built_in = rules_of([], list(CHANNELS), Settings())
        rules = {**built_in, "errors": a_rule(channels=CHANNELS)}
        async with Database(self.url) as database:
            await database.migrate()
            store = AlertStore(database)
            desk = Desk(rules, list(CHANNELS), store, self.clock)
            yield Life(store, desk, self.clock)
