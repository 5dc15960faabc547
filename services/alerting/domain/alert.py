"""The life of an alert: pending while reasons are gathered, firing, repeated, and in the end resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.alerting.domain.rule import Place, Rule, Severity, When

MAX_EVIDENCE = 5

Evidence = Mapping[str, object]
"""What was seen, as JSON values; its keys depend on the rule's `when`."""


class State(StrEnum):
    """Where an alert stands. No open alert is the state of all being well."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Change(StrEnum):
    """What somebody is told about."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Signal:
    """One reason to alert. `cause` is unique within the rule: the same cause twice is one reason."""

    rule: str
    cause: str
    place: Place
    since: datetime
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident: a rule and a place, from the first reason until it has been quiet long enough.

    `started_at` is the facts' own time, all others are when alerting saw, changed or told something.
    """

    alert_id: str
    rule: str
    when: When
    dedupe_key: str
    place: Place
    severity: Severity
    channels: tuple[str, ...]
    state: State
    occurrences: int
    started_at: datetime
    seen_at: datetime
    changed_at: datetime
    notify_at: datetime | None
    notifications: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An alert after a moment, and what changed about it, if anything did."""

    alert: Alert
    change: Change | None


def opened(alert_id: str, rule: Rule, signal: Signal, now: datetime) -> Alert:
    """The alert that a first signal opens; it waits for company before anybody is told."""
    return Alert(
        alert_id=alert_id,
        rule=rule.name,
        when=rule.when,
        dedupe_key=rule.dedupe_key(signal.place),
        place=signal.place,
        severity=rule.severity,
        channels=rule.channels,
        state=State.PENDING,
        occurrences=1,
        started_at=signal.since,
        seen_at=now,
        changed_at=now,
        notify_at=now + timedelta(seconds=rule.group_wait_seconds),
        notifications=0,
        evidence=(signal.evidence,),
    )


def joined(alert: Alert, signal: Signal, now: datetime) -> Alert:
    """The alert with one more signal. Detections are listed; of a window the newest numbers count."""
    kept = MAX_EVIDENCE if alert.when is When.DETECTION else 1
    return replace(
        alert,
        occurrences=alert.occurrences + 1,
        started_at=min(alert.started_at, signal.since),
        seen_at=now,
        evidence=(*alert.evidence, signal.evidence)[-kept:],
    )


def advanced(alert: Alert, rule: Rule | None, now: datetime, heard_at: datetime) -> Step:
    """What time alone does to an open alert; a rule that is no longer there resolves its alerts.

    `heard_at` is how far the facts have been heard: quiet is what was listened to, not what was missed.
    """
    if alert.state is State.PENDING and rule is not None:
        return _told(alert, rule, Change.FIRED, now) if _due(alert, now) else Step(alert, None)
    if rule is None or heard_at >= alert.seen_at + timedelta(seconds=rule.quiet_seconds):
        return _resolved(alert, now)
    if _due(alert, now):
        return _told(alert, rule, Change.REPEATED, now)
    return Step(alert, None)


def _due(alert: Alert, now: datetime) -> bool:
    return alert.notify_at is not None and now >= alert.notify_at


def _told(alert: Alert, rule: Rule, change: Change, now: datetime) -> Step:
    patience = rule.renotify_seconds
    told = replace(
        alert,
        state=State.FIRING,
        changed_at=now,
        notify_at=now + timedelta(seconds=patience) if patience else None,
        notifications=alert.notifications + 1,
    )
    return Step(told, change)


def _resolved(alert: Alert, now: datetime) -> Step:
    """An alert that was never told of ends without a word."""
    change = Change.RESOLVED if alert.state is State.FIRING else None
    ended = replace(
        alert,
        state=State.RESOLVED,
        changed_at=now,
        notify_at=None,
        notifications=alert.notifications + (change is not None),
    )
    return Step(ended, change)
