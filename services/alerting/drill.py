"""The drill: a made-up alert that fires and resolves, to see that a channel takes both."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.alerting.domain.alert import Change, State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification
from services.alerting.domain.rule import Severity, When
from shared.ids import derived_id, new_id

TENANT = "drill"


def drill(channel: str, now: datetime) -> Sequence[Delivery]:
    """Two deliveries for a channel, to be sent in order: an alert, and its resolution."""
    fired = Notification(
        notification_id=new_id(),
        alert_id=new_id(),
        dedupe_key=f"leeway-drill-{channel}",
        tenant=TENANT,
        rule="drill",
        when=When.DETECTION,
        change=Change.FIRED,
        state=State.FIRING,
        severity=Severity.INFO,
        title=f"Drill: the channel {channel} takes alerts",
        body="Somebody ran `leeway alerts test`. Nothing is wrong, and it resolves by itself.",
        sql="SELECT changed_at, state, title FROM leeway.alert_changes_v1 ORDER BY changed_at DESC",
        labels={"tenant": TENANT},
        occurrences=1,
        started_at=now,
        changed_at=now,
        evidence=(),
    )
    resolved = replace(
        fired,
        notification_id=new_id(),
        change=Change.RESOLVED,
        state=State.RESOLVED,
        title=f"Resolved: {fired.title}",
    )
    return [
        Delivery(derived_id(told.notification_id, channel), channel, told, 0, now)
        for told in (fired, resolved)
    ]
