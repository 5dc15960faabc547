"""OTLP on the wire: trace exports in protobuf and JSON, and the replies the protocol asks for.

https://opentelemetry.io/docs/specs/otlp/: JSON is the protobuf mapping, but with hexadecimal ids.
"""

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from services.ingest.domain.spans import MAX_ATTRIBUTES, MAX_EVENTS, MAX_MESSAGE, STATUSES, Span
from shared.batches import Refused
from shared.clock import from_micros
from shared.errors import Invalid
from shared.fields import MAX_NAME, kind_of

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")  # unspecified first
_ID_FIELDS = ("traceId", "spanId", "parentSpanId")
_END_OF_TIME_NANOS = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
_MAX_TOLD = 10


@dataclass(frozen=True, slots=True)
class _Resource:
    attributes: Mapping[str, object]
    service_name: str
    environment: str


def export_of(body: bytes, media_type: str) -> ExportTraceServiceRequest:
    """The export in a body. Raises `Invalid`: no OTLP at all, or (415) in another encoding."""
    if media_type == PROTOBUF:
        try:
            return ExportTraceServiceRequest.FromString(body)
        except DecodeError as fault:
            raise Invalid(f"The body is no OTLP trace export in protobuf: {fault}.") from fault
    if media_type == JSON:
        return _from_json(body)
    raise Invalid(
        f"The content type must be {PROTOBUF} or {JSON}.", code="unsupported_media_type", status=415
    )


def spans_of(export: ExportTraceServiceRequest) -> Iterator[Span | Refused]:
    """Every span of an export, or why it cannot be taken, in order."""
    for group in export.resource_spans:
        resource = _resource(group.resource.attributes)
        for scope in group.scope_spans:
            yield from (_span(span, resource) for span in scope.spans)


def shown_span(name: str, span_id: str) -> str:
    """How a span is named in what its sender is told."""
    return f"span {name[:64]!r} ({span_id[:16] or 'no id'})"


def reply(refused: Sequence[Refused]) -> ExportTraceServiceResponse:
    """What an export is answered: how many spans were refused, and the first reasons."""
    response = ExportTraceServiceResponse()
    if refused:
        told = "; ".join(", ".join(span.faults) for span in refused[:_MAX_TOLD])
        more = f"; and {len(refused) - _MAX_TOLD} more" if len(refused) > _MAX_TOLD else ""
        response.partial_success.rejected_spans = len(refused)
        response.partial_success.error_message = told + more
    return response


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Invalid(f"The body is not valid JSON: {fault}.", code="invalid_json") from fault
    if not isinstance(value, dict):
        raise Invalid(
            f"The body is no OTLP trace export: expected an object, got {kind_of(value)}."
        )
    for span in _json_spans(value):
        for name in _ID_FIELDS:
            if name in span:
                span[name] = _base64_of_hex(span[name])
        span.pop("links", None)
    export = ExportTraceServiceRequest()
    try:
        json_format.ParseDict(value, export, ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError, AttributeError, ValueError) as fault:
        raise Invalid(f"The body is no OTLP trace export in JSON: {fault}.") from fault
    return export


def _json_spans(value: object) -> Iterator[dict[str, Any]]:
    for group in _objects(value, "resourceSpans"):
        for scope in _objects(group, "scopeSpans"):
            yield from _objects(scope, "spans")


def _objects(value: object, name: str) -> list[dict[str, Any]]:
    items = value.get(name) if isinstance(value, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _base64_of_hex(value: object) -> str:
    try:
        return base64.b64encode(bytes.fromhex(str(value))).decode()
    except ValueError:
        return ""  # the span is refused for its empty id, and the others are not


def _resource(attributes: Iterable[KeyValue]) -> _Resource:
    values = _attributes(attributes)
    environment = values.get("deployment.environment.name") or values.get("deployment.environment")
    return _Resource(
        attributes=values,
        service_name=str(values.get("service.name", ""))[:MAX_NAME],
        environment=str(environment or "")[:MAX_NAME],
    )


def _span(wire: WireSpan, resource: _Resource) -> Span | Refused:
    faults = [sentence for wrong, sentence in _faults(wire) if wrong]
    if faults:
        who = shown_span(wire.name, wire.span_id.hex())
        return Refused((f"{who}: {', '.join(faults)}",))
    attributes = _attributes(wire.attributes)
    ended = max(wire.start_time_unix_nano, wire.end_time_unix_nano)
    return Span(
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_span_id=wire.parent_span_id.hex(),
        name=wire.name[:MAX_NAME],
        kind=_KINDS[wire.kind] if 0 <= wire.kind < len(_KINDS) else "internal",
        status=STATUSES[wire.status.code] if 0 <= wire.status.code < len(STATUSES) else "unset",
        status_message=wire.status.message[:MAX_MESSAGE],
        started_at=_time(wire.start_time_unix_nano),
        ended_at=_time(ended),
        service_name=resource.service_name,
        session_id=str(attributes.get("session.id", ""))[:MAX_NAME],
        user_id=str(attributes.get("user.id", ""))[:MAX_NAME],
        environment=resource.environment,
        attributes=attributes,
        events=[_event(event) for event in wire.events],
    )


def _faults(wire: WireSpan) -> Iterator[tuple[bool, str]]:
    trace, span, parent = wire.trace_id, wire.span_id, wire.parent_span_id
    started, ended = wire.start_time_unix_nano, wire.end_time_unix_nano
    yield len(trace) != 16 or not any(trace), "trace_id must be 16 bytes, not all zero"
    yield len(span) != 8 or not any(span), "span_id must be 8 bytes, not all zero"
    yield len(parent) not in (0, 8), "parent_span_id must be 8 bytes, or none"
    yield (
        not 0 < started < _END_OF_TIME_NANOS or ended >= _END_OF_TIME_NANOS,
        "its times must lie in the years 1970 to 2199",
    )
    yield len(wire.attributes) > MAX_ATTRIBUTES, f"more than {MAX_ATTRIBUTES} attributes"
    yield len(wire.events) > MAX_EVENTS, f"more than {MAX_EVENTS} events"


def _event(event: WireSpan.Event) -> Mapping[str, object]:
    nanos = min(event.time_unix_nano, _END_OF_TIME_NANOS)
    return {
        "name": event.name,
        "at": _time(nanos).isoformat(),
        "attributes": _attributes(event.attributes),
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else str(number)
        case None:
            return None
        case name:
            scalar: object = getattr(value, name)
            return scalar


def _time(nanos: int) -> datetime:
    return from_micros(nanos // 1_000)
