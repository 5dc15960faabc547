"""The query that an alert hands to a person, ready to paste into `leeway sql`."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.alerting.domain.alert import Alert
from services.alerting.domain.rule import Place, When

MAX_EXAMPLES = 20

# The fields of a place by the columns of each view.
_TENANT = {"tenant": "tenant"}
_STREAM = {
    **_TENANT,
    "project": "project",
    "environment": "environment",
    "model": "request_model",
}
_CALLS = {**_STREAM, "provider": "provider"}
_DETECTIONS = {**_STREAM, "feature": "feature"}


def query(alert: Alert, now: datetime) -> str:
    """SQL over the analyst views that shows what the alert is about, cause by cause."""
    started = _literal(f"{alert.started_at:%Y-%m-%d %H:%M:%S}")
    until = _literal(f"{now + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}")
    at_place = _conditions(alert.place, _CALLS)
    match alert.when:
        case When.DETECTION:
            return _of_detections(alert, started)
        case When.ERROR_RATE:
            return (
                "SELECT error_type, http_status, provider, count() AS calls,"
                " any(interaction_id) AS example\n"
                f"FROM leeway.interactions_v1\nWHERE {at_place}"
                f" AND ended_at BETWEEN {started} AND {until}"
                " AND status IN ('error', 'interrupted')\nGROUP BY ALL\nORDER BY calls DESC"
            )
        case When.LATENCY_P95:
            return (
                "SELECT toStartOfMinute(ended_at) AS minute, count() AS calls,"
                " quantile(0.95)(duration_seconds) AS p95_seconds\n"
                f"FROM leeway.interactions_v1\nWHERE {at_place}"
                f" AND ended_at BETWEEN {started} AND {until}"
                " AND status = 'ok'\nGROUP BY minute\nORDER BY minute"
            )
        case When.SPEND:
            return (
                "SELECT request_model, key_id, count() AS interactions, sum(cost_usd) AS usd\n"
                f"FROM leeway.usage_v1\nWHERE {at_place}"
                f" AND started_at BETWEEN {started} AND {until}\nGROUP BY ALL\nORDER BY usd DESC"
            )
        case When.DELIVERY:
            return (
                "SELECT changed_at, severity, state, title\n"
                f"FROM leeway.alert_changes_v1\nWHERE {_conditions(alert.place, _TENANT)}"
                f" AND changed_at >= {started}\nORDER BY changed_at"
            )


def _of_detections(alert: Alert, started: str) -> str:
    """The example interactions where the detector named some, else the detections themselves."""
    found = [seen.get("interaction_ids") for seen in alert.evidence]
    ids = [str(one) for some in found if isinstance(some, list) for one in some]
    if ids:
        listed = ", ".join(_literal(one) for one in ids[:MAX_EXAMPLES])
        return (
            "SELECT interaction_id, started_at, status, input_text, output_text\n"
            f"FROM leeway.interactions_v1\nWHERE {_conditions(alert.place, _CALLS)}"
            f" AND interaction_id IN ({listed})\nORDER BY started_at"
        )
    at_place = _conditions(alert.place, _DETECTIONS)
    return (
        "SELECT detected_at, feature, direction, statistic, threshold, summary\n"
        f"FROM leeway.detections_v1\nWHERE {at_place}"
        f" AND detected_at >= {started}\nORDER BY detected_at"
    )


def _conditions(place: Place, columns: Mapping[str, str]) -> str:
    labels = place.labels()
    known = {column: labels[name] for name, column in columns.items() if name in labels}
    return " AND ".join(f"{column} = {_literal(value)}" for column, value in known.items())


def _literal(text: str) -> str:
    """A ClickHouse string: a model's name is chosen by whoever calls it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
