"""What an alert says of itself, in sentences that a person on call can act on."""

import re
from collections.abc import Mapping
from datetime import datetime

from services.alerting.domain.alert import Alert, Evidence
from services.alerting.domain.rule import Place, When

# Control and formatting characters: a name from outside must not break a line or turn text around.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def plain(text: str, limit: int = 120) -> str:
    """One visible line of at most `limit` characters."""
    line = _INVISIBLE.sub(" ", text).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def where(place: Place) -> str:
    """The place, widest last.

    >>> where(Place(tenant="acme", model="gpt-4o", environment="production"))
    'model gpt-4o, environment production, tenant acme'
    """
    labels = reversed(place.labels().items())
    return ", ".join(f"{name} {plain(value, 80)}" for name, value in labels)


def span(seconds: float) -> str:
    """A duration in its largest fitting unit.

    >>> span(300), span(5400), span(90)
    ('5 minutes', '1.5 hours', '1.5 minutes')
    """
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return _quantity(round(seconds / length, 1), unit)
    return _quantity(round(seconds), "second")


def times(count: int) -> str:
    """How often, in words for a person."""
    return "once" if count == 1 else f"{count} times"


def moment(at: datetime) -> str:
    """A time of the day, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def claim(alert: Alert) -> str:
    """What is wrong and where, in one line."""
    newest = alert.evidence[-1]
    match alert.when:
        case When.DETECTION if alert.occurrences > 1:
            what = f"{alert.occurrences} drift detections"
        case When.DETECTION:
            what = f"Drift in {plain(str(newest['feature']))}"
        case When.ERROR_RATE:
            what = f"{_percent(newest['value'])} of calls fail"
        case When.LATENCY_P95:
            what = f"Calls are slow, p95 {newest['value']} s"
        case When.SPEND:
            what = f"{newest['value']} USD spent in {span(_number(newest, 'window_seconds'))}"
        case When.DELIVERY:
            what = "Alerts do not arrive"
    return f"{what}: {where(alert.place)}"


def account(alert: Alert) -> str:
    """What was seen, with its numbers; a line for each detection."""
    if alert.when is When.DETECTION:
        return "\n".join(_detection(seen) for seen in alert.evidence)
    newest = alert.evidence[-1]
    if alert.when is When.DELIVERY:
        reason = plain(str(newest["reason"]), 300).rstrip(".")
        return (
            f"The channel was given up on after {_quantity(_number(newest, 'attempts'), 'attempt')}"
            f" with “{plain(str(newest['title']))}”: {reason}."
            " Until it is repaired, nobody hears of alerts there."
        )
    return _window(alert.when, newest)


def _detection(seen: Evidence) -> str:
    summary = plain(str(seen["summary"]), 400).rstrip(".")
    observed = _quantity(_number(seen, "window_size"), "observation")
    return (
        f"- {seen['detected_at']}: {summary}. Detector {plain(str(seen['detector']))}:"
        f" statistic {_number(seen, 'statistic'):.4g}, threshold {_number(seen, 'threshold'):.4g},"
        f" {observed} against {_number(seen, 'reference_size'):.0f} of the reference;"
        f" the change began about {seen['change_at']}."
    )


def _window(when: When, seen: Evidence) -> str:
    length, until = span(_number(seen, "window_seconds")), seen["until"]
    value, threshold = seen["value"], seen["threshold"]
    match when:
        case When.ERROR_RATE:
            kinds = seen["errors"]
            named = kinds.items() if isinstance(kinds, Mapping) else ()
            how = ", ".join(f"{plain(str(kind), 60)} {count}" for kind, count in named)
            return (
                f"{seen['failed']} of {seen['count']} calls in the {length} to {until} failed:"
                f" {_percent(value)}, the threshold is {_percent(threshold)}. Errors: {how}."
            )
        case When.LATENCY_P95:
            return (
                f"Of {seen['count']} calls in the {length} to {until}, 5 % took longer than"
                f" {value} s (the median is {seen['p50_seconds']} s); the threshold is {threshold} s."
            )
        case _:
            return (
                f"{seen['count']} interactions in the {length} to {until} cost {value} USD;"
                f" the threshold is {threshold} USD."
            )


def _percent(value: object) -> str:
    return f"{float(str(value)):.1%}"


def _number(seen: Evidence, name: str) -> float:
    return float(str(seen[name]))


def _quantity(number: float, unit: str) -> str:
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"
