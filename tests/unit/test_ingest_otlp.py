"""POST /v1/traces: OTLP in both encodings, idempotent, refused span by span."""

import gzip
import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.span_pb2 import SpanEnded

from services.ingest.otlp import JSON, PROTOBUF, export_of, spans_of
from shared.errors import Invalid
from shared.live import LiveView
from shared.topics import SPAN_ENDED
from tests.doors import a_live_view
from tests.exports import CHAT, a_span, an_export, in_protobuf, post
from tests.fakes import FakeOutbox


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.request.model": "m"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"},
        {"gen_ai.operation.name": "chat"},
        {"openinference.span.kind": "CHAIN", "llm.model_name": "m"},
    ],
)
async def test_what_calls_no_named_model_stays_a_span(attributes: dict[str, Any]) -> None:
    outbox = FakeOutbox()

    await post(json.dumps(an_export(a_span(attributes))).encode(), outbox)

    (fact,) = outbox.facts
    assert fact.topic == SPAN_ENDED
    span = SpanEnded.FromString(fact.value)
    assert (span.kind, span.service_name, span.environment) == ("client", "shop", "qa")
    assert dict(span.attributes) == attributes


async def test_an_export_sent_again_in_either_encoding_is_a_repeat() -> None:
    outbox = FakeOutbox()
    export = an_export(a_span(CHAT), a_span({}, spanId="00f067aa0ba902b8"))

    await post(json.dumps(export).encode(), outbox)
    again = await post(in_protobuf(export), outbox, media_type=PROTOBUF)

    assert (again.status_code, again.content) == (200, b"")
    assert len(outbox.facts) == 2


@pytest.mark.parametrize("changed", [CHAT | {"gen_ai.usage.output_tokens": 4}, {"a": "other"}])
async def test_a_span_sent_again_with_other_content_is_told_as_refused(
    changed: dict[str, Any],
) -> None:
    outbox = FakeOutbox()
    first, other = a_span(changed | {"b": 1}), a_span({}, spanId="00f067aa0ba902b8")
    await post(json.dumps(an_export(first)).encode(), outbox)

    told = await post(json.dumps(an_export(a_span(changed), other)).encode(), outbox)

    assert told.status_code == 200
    assert told.json() == {
        "partialSuccess": {
            "rejectedSpans": "1",
            "errorMessage": "span 'chat gpt-4o' (00f067aa0ba902b7): was accepted before with other"
            " content, which stays; send this under another id",
        }
    }
    assert len(outbox.facts) == 2


async def test_the_same_trace_of_two_tenants_has_different_event_ids() -> None:
    content = json.dumps(an_export(a_span(CHAT))).encode()
    outbox, live = FakeOutbox(), a_live_view()
    (key_id, key) = live.keys.popitem()
    other = a_live_view()
    other.environments["beta"] = other.environments["acme"]
    other.keys[key_id] = type(key)(
        key_id, "beta", "default", "production", key.scopes, key.secret_hash
    )

    await post(content, outbox)
    await post(content, outbox, other)

    assert outbox.facts[0].event_id != outbox.facts[1].event_id


async def test_the_tenants_policy_holds_for_the_texts_of_a_call() -> None:
    outbox = FakeOutbox()

    await post(json.dumps(an_export(a_span(CHAT))).encode(), outbox, a_live_view(content="none"))

    told = InteractionCompleted.FromString(outbox.facts[0].value)
    assert (told.input_text, told.input_messages, told.output_text) == ("", "", "")


async def test_refused_spans_are_counted_in_the_encoding_of_the_request() -> None:
    outbox = FakeOutbox()
    export = an_export(
        a_span(CHAT),
        a_span({}, traceId="xyz"),
        a_span({}, spanId="0" * 16, startTimeUnixNano="0"),
    )

    told = await post(json.dumps(export).encode(), outbox)
    encoded = await post(in_protobuf(export), outbox, media_type=f"{PROTOBUF}; charset=x")

    expected = {
        "rejectedSpans": "2",
        "errorMessage": "span 'chat gpt-4o' (00f067aa0ba902b7): trace_id must be 16 bytes, not all"
        " zero; span 'chat gpt-4o' (0000000000000000): span_id must be 8 bytes, not all zero, its"
        " times must lie in the years 1970 to 2199",
    }
    assert (told.status_code, told.headers["content-type"]) == (200, JSON)
    assert told.json() == {"partialSuccess": expected}
    assert (encoded.status_code, encoded.headers["content-type"]) == (200, PROTOBUF)
    response = ExportTraceServiceResponse.FromString(encoded.content)
    assert json_format.MessageToDict(response) == {"partialSuccess": expected}
    assert len(outbox.facts) == 1


async def test_a_span_of_an_environment_that_is_not_registered_is_told_as_refused() -> None:
    outbox, live = FakeOutbox(), a_live_view()
    live.environments.clear()

    response = await post(json.dumps(an_export(a_span(CHAT))).encode(), outbox, live)

    told = response.json()["partialSuccess"]
    assert (told["rejectedSpans"], outbox.facts) == ("1", [])
    assert told["errorMessage"].endswith("environment: expected one of production, got 'qa'")


async def test_an_export_without_a_fault_is_answered_by_an_empty_message() -> None:
    response = await post(in_protobuf(an_export(a_span({}))), FakeOutbox(), media_type=PROTOBUF)

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_an_error_is_a_status_in_the_encoding_of_the_request(media_type: str) -> None:
    response = await post(b"\xff\xff", FakeOutbox(), media_type=media_type)

    assert response.status_code == 400
    assert response.headers["content-type"] == media_type
    status = Status()
    if media_type == JSON:
        json_format.Parse(response.content, status)
    else:
        status.MergeFromString(response.content)
    assert status.code == 3
    assert status.message.startswith("The body is")


async def test_another_content_type_is_answered_415() -> None:
    response = await post(b"", FakeOutbox(), media_type="text/plain")

    assert response.status_code == 415


async def test_a_full_outbox_is_answered_503_so_that_the_sender_tries_again() -> None:
    content = json.dumps(an_export(a_span({}))).encode()

    response = await post(content, FakeOutbox(full=True))

    assert (response.status_code, response.json()["code"]) == (503, 14)


async def test_an_unknown_key_is_answered_401() -> None:
    response = await post(b"{}", FakeOutbox(), LiveView(b"other"))

    assert (response.status_code, response.json()["code"]) == (401, 16)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "value",
    [
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 7}]}]}]},
        {"resourceSpans": "x"},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": 1}]}]}]}]},
        [],
        7,
    ],
)
async def test_json_of_another_shape_is_answered_400(value: object) -> None:
    response = await post(json.dumps(value).encode(), FakeOutbox())

    assert response.status_code == 400


async def test_attributes_nested_without_end_are_answered_400() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(200):
        value = {"arrayValue": {"values": [value]}}
    span = a_span({}) | {"attributes": [{"key": "deep", "value": value}]}

    response = await post(json.dumps(an_export(span)).encode(), FakeOutbox())

    assert response.status_code == 400


async def test_a_compressed_export_is_taken() -> None:
    outbox = FakeOutbox()
    content = gzip.compress(json.dumps(an_export(a_span({}))).encode())

    response = await post(content, outbox, encoding="gzip")

    assert (response.status_code, len(outbox.facts)) == (200, 1)


async def test_another_compression_is_answered_415() -> None:
    response = await post(b"{}", FakeOutbox(), encoding="br")

    assert response.status_code == 415


@given(st.binary(max_size=300))
def test_any_bytes_are_an_export_or_invalid(body: bytes) -> None:
    for media_type in (PROTOBUF, JSON):
        try:
            spans = list(spans_of(export_of(body, media_type)))
        except Invalid:
            continue
        assert isinstance(spans, list)
