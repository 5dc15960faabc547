"""Any receiver: JSON signed as Standard Webhooks 1.0 says (standardwebhooks.com)."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """Signed with every active secret: during a rotation the receiver may verify by either."""

    url: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    def request(self, delivery: Delivery, now: datetime) -> Request:
        body = orjson.dumps(_payload(delivery.notification))
        timestamp = int(now.timestamp())
        headers = {"webhook-id": delivery.delivery_id, "webhook-timestamp": str(timestamp)}
        if self.secrets:
            headers["webhook-signature"] = " ".join(
                signature(secret, delivery.delivery_id, timestamp, body) for secret in self.secrets
            )
        return Request(self.url, body, headers)


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _payload(told: Notification) -> dict[str, object]:
    return {
        "type": f"alert.{told.change}",
        "timestamp": told.changed_at.isoformat(),
        "data": {
            "alert_id": told.alert_id,
            "dedupe_key": told.dedupe_key,
            "tenant": told.tenant,
            "rule": told.rule,
            "when": told.when,
            "state": told.state,
            "severity": told.severity,
            "title": told.title,
            "body": told.body,
            "sql": told.sql,
            "labels": told.labels,
            "occurrences": told.occurrences,
            "started_at": told.started_at.isoformat(),
            "changed_at": told.changed_at.isoformat(),
            "evidence": told.evidence,
        },
    }
