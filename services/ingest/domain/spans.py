"""A span of an application's trace, from whichever door it came."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.fields import Fields, json_flaw

KINDS = ("internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
MAX_ATTRIBUTES = 256
MAX_EVENTS = 256
MAX_MESSAGE = 16_384

_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has ended. Attributes and events hold JSON values."""

    trace_id: str
    span_id: str
    name: str
    started_at: datetime
    ended_at: datetime
    parent_span_id: str = ""
    kind: str = "internal"
    status: str = "unset"
    status_message: str = ""
    service_name: str = ""
    session_id: str = ""
    user_id: str = ""
    environment: str = ""  # empty: the key's
    attributes: Mapping[str, object] = field(default_factory=dict)
    events: Sequence[Mapping[str, object]] = ()


def read_span(item: Fields, *, now: datetime) -> Span:
    """The span in an item of POST /v1/spans; it is void when `item` has faults."""
    started = item.time("started_at", required=True)
    ended = item.time("ended_at", required=True)
    if started and ended and ended < started:
        item.fault("ended_at", "lies before started_at")
    return Span(
        trace_id=hex_id(item, "trace_id", 32, required=True),
        span_id=hex_id(item, "span_id", 16, required=True),
        parent_span_id=hex_id(item, "parent_span_id", 16),
        name=item.text("name", required=True),
        kind=item.choice("kind", KINDS, "internal"),
        status=item.choice("status", STATUSES, "unset"),
        status_message=item.text("status_message", limit=MAX_MESSAGE),
        started_at=started or now,
        ended_at=ended or now,
        service_name=item.text("service_name"),
        session_id=item.text("session_id"),
        user_id=item.text("user_id"),
        environment=item.text("environment"),
        attributes=_attributes(item),
        events=_events(item),
    )


def hex_id(item: Fields, name: str, digits: int, *, required: bool = False) -> str:
    """A trace or span id: exactly `digits` hexadecimal digits, not all zero, in lower case."""
    value = item.text(name, required=required).lower()
    if value and (len(value) != digits or not _HEX.fullmatch(value) or not value.strip("0")):
        item.fault(name, f"expected {digits} hexadecimal digits, not all zero")
        return ""
    return value


def _attributes(item: Fields) -> Mapping[str, object]:
    value = item.raw("attributes")
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_ATTRIBUTES:
        item.fault("attributes", f"expected an object of at most {MAX_ATTRIBUTES} attributes")
        return {}
    flaw = json_flaw(value)
    if flaw is not None:
        item.fault("attributes", flaw)
    return value


def _events(item: Fields) -> Sequence[Mapping[str, object]]:
    value = item.raw("events")
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_EVENTS:
        item.fault("events", f"expected a list of at most {MAX_EVENTS} objects")
        return ()
    flaw = json_flaw(value)
    if flaw is not None:
        item.fault("events", flaw)
    elif not all(isinstance(event, dict) for event in value):
        item.fault("events", "expected a list of objects")
    return value
