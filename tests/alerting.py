"""Builders and fakes of alerting: a valid one each, changed where a test says so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from services.alerting.domain.alert import Alert, Change, Signal, State, advanced, opened
from services.alerting.domain.delivery import Delivered, Delivery, Outcome
from services.alerting.domain.notification import Notification, notification_of
from services.alerting.domain.rule import Place, Rule, Severity, When
from services.alerting.domain.turn import Turn
from shared.ids import derived_id

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


class FakeChannel:
    """A channel that keeps what it is sent; its outcomes are used up one by one, then all is taken."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[Delivery] = []

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        self.sent.append(delivery)
        return self.outcomes.pop(0) if self.outcomes else Delivered()


class FakeAlerts:
    """Alerts in memory."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    async def open_alerts(self) -> Sequence[Alert]:
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
