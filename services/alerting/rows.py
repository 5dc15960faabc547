"""Alerting's values as rows and back; JSON columns hold what no query looks into."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from services.alerting.domain.alert import Alert, Change, Signal, State
from services.alerting.domain.delivery import Delivery, DeliveryState
from services.alerting.domain.notification import Notification
from services.alerting.domain.rule import Place, Severity, When
from shared.clock import from_micros, micros


def row_of_alert(alert: Alert) -> dict[str, Any]:
    """An alert as a row of `alerts`."""
    return {
        "alert_id": alert.alert_id,
        "tenant": alert.place.tenant,
        "rule": alert.rule,
        "watches": alert.when.value,
        "dedupe_key": alert.dedupe_key,
        "place": asdict(alert.place),
        "severity": alert.severity.value,
        "channels": list(alert.channels),
        "state": alert.state.value,
        "occurrences": alert.occurrences,
        "started_at_us": micros(alert.started_at),
        "seen_at_us": micros(alert.seen_at),
        "changed_at_us": micros(alert.changed_at),
        "notify_at_us": None if alert.notify_at is None else micros(alert.notify_at),
        "notifications": alert.notifications,
        "evidence": [dict(seen) for seen in alert.evidence],
    }


def alert_of(row: RowMapping) -> Alert:
    """The alert of a row."""
    notify_at = row["notify_at_us"]
    return Alert(
        alert_id=row["alert_id"],
        rule=row["rule"],
        when=When(row["watches"]),
        dedupe_key=row["dedupe_key"],
        place=Place(**row["place"]),
        severity=Severity(row["severity"]),
        channels=tuple(row["channels"]),
        state=State(row["state"]),
        occurrences=row["occurrences"],
        started_at=from_micros(row["started_at_us"]),
        seen_at=from_micros(row["seen_at_us"]),
        changed_at=from_micros(row["changed_at_us"]),
        notify_at=None if notify_at is None else from_micros(notify_at),
        notifications=row["notifications"],
        evidence=tuple(row["evidence"]),
    )


def row_of_cause(signal: Signal, at: datetime) -> dict[str, Any]:
    """A signal that counted as a row of `alert_causes`."""
    return {
        "rule": signal.rule,
        "cause": signal.cause,
        "tenant": signal.place.tenant,
        "seen_at_us": micros(at),
    }


def row_of_notification(told: Notification) -> dict[str, Any]:
    """A notification as a row of `alert_changes`, neither published nor claimed yet."""
    values = asdict(told) | {
        "evidence": [dict(seen) for seen in told.evidence],
        "labels": dict(told.labels),
        "started_at": told.started_at.isoformat(),
        "changed_at": told.changed_at.isoformat(),
    }
    return {
        "notification_id": told.notification_id,
        "tenant": told.tenant,
        "notification": values,
        "changed_at_us": micros(told.changed_at),
        "published_at_us": None,
        "claimed_until_us": 0,
    }


def notification_of(values: Mapping[str, Any]) -> Notification:
    """The notification of a JSON column."""
    return Notification(
        **{
            **values,
            "when": When(values["when"]),
            "change": Change(values["change"]),
            "state": State(values["state"]),
            "severity": Severity(values["severity"]),
            "started_at": datetime.fromisoformat(values["started_at"]),
            "changed_at": datetime.fromisoformat(values["changed_at"]),
            "evidence": tuple(values["evidence"]),
        }
    )


def row_of_delivery(delivery: Delivery) -> dict[str, Any]:
    """A new delivery as a row of `alert_deliveries`, due at once."""
    told = delivery.notification
    created = micros(delivery.created_at)
    return {
        "delivery_id": delivery.delivery_id,
        "notification_id": told.notification_id,
        "tenant": told.tenant,
        "alert_id": told.alert_id,
        "dedupe_key": told.dedupe_key,
        "channel": delivery.channel,
        "state": DeliveryState.WAITING.value,
        "attempts": delivery.attempts,
        "created_at_us": created,
        "next_attempt_at_us": created,
        "settled_at_us": None,
        "reason": "",
        "claimed_by": "",
        "claimed_until_us": 0,
    }


def delivery_of(row: RowMapping) -> Delivery:
    """The delivery of a row joined with its change."""
    return Delivery(
        delivery_id=row["delivery_id"],
        channel=row["channel"],
        notification=notification_of(row["notification"]),
        attempts=row["attempts"],
        created_at=from_micros(row["created_at_us"]),
    )
