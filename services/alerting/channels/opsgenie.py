"""Opsgenie: the Alert API (docs.opsgenie.com/docs/alert-api); one alert an alias, closed when it resolves."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

import orjson

from services.alerting.channels.channel import Request
from services.alerting.domain.alert import State
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification
from services.alerting.domain.rule import Severity

URL = "https://api.opsgenie.com"
MAX_MESSAGE = 130
MAX_DESCRIPTION = 15_000

_PRIORITIES = {Severity.INFO: "P5", Severity.WARNING: "P3", Severity.CRITICAL: "P1"}


@dataclass(frozen=True, slots=True)
class OpsgenieForm:
    """`url` differs in the EU region."""

    api_key: str = field(repr=False)
    url: str = URL

    def request(self, delivery: Delivery, now: datetime) -> Request:
        del now
        told = delivery.notification
        headers = {"Authorization": f"GenieKey {self.api_key}"}
        alerts = f"{self.url.rstrip('/')}/v2/alerts"
        if told.state is State.RESOLVED:
            alias = quote(told.dedupe_key, safe="")
            note = orjson.dumps({"source": "leeway", "note": told.title})
            return Request(f"{alerts}/{alias}/close?identifierType=alias", note, headers)
        return Request(alerts, orjson.dumps(_alert(told)), headers)


def _alert(told: Notification) -> dict[str, object]:
    return {
        "message": told.title[:MAX_MESSAGE],
        "alias": told.dedupe_key,
        "description": f"{told.body}\n\n{told.sql}"[:MAX_DESCRIPTION],
        "priority": _PRIORITIES[told.severity],
        "source": "leeway",
        "entity": told.labels.get("model", told.tenant),
        "tags": ["leeway", told.when],
        "details": {
            **told.labels,
            "rule": told.rule,
            "alert_id": told.alert_id,
            "occurrences": str(told.occurrences),
        },
    }
