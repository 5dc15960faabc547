"""OTLP exports for tests, and the door that takes them."""

import json
from typing import Any

import httpx

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.ingest.app import build
from services.ingest.otlp import JSON, export_of
from services.ingest.settings import Settings
from shared.clock import micros
from shared.live import LiveView
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW
from tests.doors import a_client, a_host
from tests.fakes import FakeOutbox

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STARTED_NANOS = (micros(NOW) - 2_000_000) * 1_000
ENDED_NANOS = micros(NOW) * 1_000
QUESTION = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
ANSWER = [
    {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Rainy."}],
        "finish_reason": "stop",
    }
]
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.stream": True,
    "gen_ai.request.choice.count": 1,
    "gen_ai.response.time_to_first_chunk": 0.5,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
    "gen_ai.usage.cache_read.input_tokens": 8,
    "gen_ai.usage.cache_creation.input_tokens": 2,
    "gen_ai.usage.reasoning.output_tokens": 1,
    "gen_ai.conversation.id": "c1",
    "user.id": "u1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps(QUESTION),
    "gen_ai.output.messages": json.dumps(ANSWER),
}


def any_value(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": key_values(value)}}
        case _:
            return {"stringValue": str(value)}


def key_values(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def a_span(attributes: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(STARTED_NANOS),
        "endTimeUnixNano": str(ENDED_NANOS),
        "attributes": key_values(attributes),
        **changes,
    }


def an_event(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "timeUnixNano": str(ENDED_NANOS),
        "attributes": key_values(attributes),
    }


def an_export(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {
        "attributes": key_values({"service.name": "shop", "deployment.environment.name": "qa"})
    }
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"spans": list(spans), "futureField": 1}]}
        ]
    }


def in_protobuf(export: dict[str, Any]) -> bytes:
    return export_of(json.dumps(export).encode(), JSON).SerializeToString()


async def post(
    content: bytes,
    outbox: FakeOutbox,
    live: LiveView | None = None,
    media_type: str = JSON,
    encoding: str = "identity",
) -> httpx.Response:
    async with a_client(build(Settings(), a_host(outbox, live))) as client:
        return await client.post(
            "/v1/traces",
            content=content,
            headers={"content-type": media_type, "content-encoding": encoding},
        )


async def interaction_of(
    attributes: dict[str, Any], events: list[dict[str, Any]] | None = None, **changes: object
) -> InteractionCompleted:
    outbox = FakeOutbox()
    span = a_span(attributes, events=events or [], **changes)
    await post(json.dumps(an_export(span)).encode(), outbox)
    assert outbox.facts[0].topic == INTERACTION_COMPLETED
    return InteractionCompleted.FromString(outbox.facts[0].value)
