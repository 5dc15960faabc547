"""PagerDuty: Events API v2 (developer.pagerduty.com/docs/events-api-v2-overview)."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.alert import State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification

URL = "https://events.pagerduty.com/v2/enqueue"
MAX_SUMMARY = 1024


@dataclass(frozen=True, slots=True)
class PagerDutyForm:
    """Triggers and resolves one incident for each alert; `url` differs in the EU region."""

    routing_key: str = field(repr=False)
    url: str = URL

    def request(self, delivery: Delivery, now: datetime) -> Request:
        del now
        told = delivery.notification
        event: dict[str, object] = {
            "routing_key": self.routing_key,
            "dedup_key": told.dedupe_key,
            "event_action": "resolve" if told.state is State.RESOLVED else "trigger",
        }
        if told.state is not State.RESOLVED:
            event |= {"client": "Leeway", "payload": _payload(told)}
        return Request(self.url, orjson.dumps(event), {})


def _payload(told: Notification) -> dict[str, object]:
    return {
        "summary": told.title[:MAX_SUMMARY],
        "source": f"leeway/{told.tenant}",
        "severity": told.severity,  # PagerDuty knows info, warning and critical by the same words
        "timestamp": told.changed_at.isoformat(),
        "component": told.labels.get("model", ""),
        "group": told.tenant,
        "class": told.when,
        "custom_details": {
            "body": told.body,
            "sql": told.sql,
            "rule": told.rule,
            "occurrences": told.occurrences,
            "alert_id": told.alert_id,
            "evidence": told.evidence,
        },
    }
