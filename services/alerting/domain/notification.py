"""What somebody is told: what, where, since when and how big, the evidence, and SQL to look further."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.alerting.domain.alert import Alert, Change, Evidence, State
from services.alerting.domain.queries import query
from services.alerting.domain.rule import Severity, When
from services.alerting.domain.wording import account, claim, moment, plain, span, times

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Notification:
    """One change of one alert, in words; the same for every channel."""

    notification_id: str
    alert_id: str
    dedupe_key: str
    tenant: str
    rule: str
    when: When
    change: Change
    state: State
    severity: Severity
    title: str
    body: str
    sql: str
    labels: Mapping[str, str]
    occurrences: int
    started_at: datetime
    changed_at: datetime
    evidence: tuple[Evidence, ...]


_OPENING = {Change.FIRED: "", Change.REPEATED: "Still: ", Change.RESOLVED: "Resolved: "}


def notification_of(notification_id: str, alert: Alert, change: Change) -> Notification:
    """The words for a change that an alert has just gone through."""
    return Notification(
        notification_id=notification_id,
        alert_id=alert.alert_id,
        dedupe_key=alert.dedupe_key,
        tenant=alert.place.tenant,
        rule=alert.rule,
        when=alert.when,
        change=change,
        state=alert.state,
        severity=alert.severity,
        title=plain(_OPENING[change] + claim(alert), MAX_TITLE),
        body=f"{_course(alert, change)}\n{account(alert)}",
        sql=query(alert, alert.changed_at),
        labels=alert.place.labels(),
        occurrences=alert.occurrences,
        started_at=alert.started_at,
        changed_at=alert.changed_at,
        evidence=alert.evidence,
    )


def _course(alert: Alert, change: Change) -> str:
    """Since when, how often, and whether it is over."""
    lasted = span(max((alert.changed_at - alert.started_at).total_seconds(), 0))
    match change:
        case Change.FIRED:
            return f"Rule {plain(alert.rule)} fires, since {moment(alert.started_at)}."
        case Change.REPEATED:
            return (
                f"Rule {plain(alert.rule)} still fires after {lasted}:"
                f" seen {times(alert.occurrences)}, last at {moment(alert.seen_at)}."
            )
        case Change.RESOLVED:
            return (
                f"Rule {plain(alert.rule)} is quiet since {moment(alert.seen_at)}: seen"
                f" {times(alert.occurrences)} since {moment(alert.started_at)}. What it was about:"
            )
