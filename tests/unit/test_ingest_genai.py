"""Model calls in spans: the current GenAI conventions, earlier ones, OpenLLMetry and OpenInference."""

import json
from typing import Any

import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.ingest.otlp import JSON, PROTOBUF, export_of
from shared.clock import micros
from tests.builders import NOW
from tests.exports import (
    ANSWER,
    CHAT,
    QUESTION,
    SPAN_ID,
    TRACE_ID,
    a_span,
    an_event,
    an_export,
    interaction_of,
    post,
)
from tests.fakes import FakeOutbox


async def test_a_model_call_in_the_current_conventions_is_read_whole() -> None:
    message = await interaction_of(CHAT)

    assert message == InteractionCompleted(
        interaction_id=message.interaction_id,
        tenant="acme",
        project="default",
        environment="qa",
        key_id=message.key_id,
        kind="chat",
        source="otlp",
        status="ok",
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        streaming=True,
        started_at_us=micros(NOW) - 2_000_000,
        ended_at_us=micros(NOW),
        first_token_at_us=micros(NOW) - 1_500_000,
        finish_reasons=["stop"],
        input_tokens=12,
        output_tokens=3,
        cache_read_tokens=8,
        cache_write_tokens=2,
        reasoning_tokens=1,
        usage_json='{"gen_ai.usage.input_tokens":12,"gen_ai.usage.output_tokens":3,'
        '"gen_ai.usage.cache_read.input_tokens":8,"gen_ai.usage.cache_creation.input_tokens":2,'
        '"gen_ai.usage.reasoning.output_tokens":1}',
        usage_dialect="otel",
        session_id="c1",
        user_id="u1",
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        tags={"service": "shop"},
        content_policy="full",
        input_messages='[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},'
        '{"role":"user","parts":[{"type":"text","content":"Weather in Paris?"}]}]',
        output_messages='[{"role":"assistant","parts":[{"type":"text","content":"Rainy."}],'
        '"finish_reason":"stop"}]',
        input_text="Weather in Paris?",
        output_text="Rainy.",
        request_options='{"max_tokens":100,"n":1}',
    )


async def test_structured_messages_are_read_like_messages_in_json() -> None:
    told = await interaction_of(
        CHAT | {"gen_ai.input.messages": QUESTION, "gen_ai.output.messages": ANSWER}
    )

    assert (told.input_text, told.output_text) == ("Weather in Paris?", "Rainy.")


async def test_messages_on_the_details_event_are_read() -> None:
    details = an_event(
        "gen_ai.client.inference.operation.details",
        {"gen_ai.input.messages": QUESTION, "gen_ai.output.messages": ANSWER},
    )
    told = await interaction_of(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, [details]
    )

    assert (told.input_text, told.output_text) == ("Weather in Paris?", "Rainy.")
    assert list(told.finish_reasons) == ["stop"]


async def test_the_earlier_events_of_one_message_each_are_read() -> None:
    events = [
        an_event("gen_ai.system.message", {"content": "Be brief."}),
        an_event("gen_ai.user.message", {"content": "Two and two?"}),
        an_event(
            "gen_ai.choice",
            {"index": 0, "finish_reason": "stop", "message": '{"content":"Four."}'},
        ),
    ]
    told = await interaction_of(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 2,
        },
        events,
    )

    assert told.input_messages == (
        '[{"role":"system","content":"Be brief."},{"role":"user","content":"Two and two?"}]'
    )
    assert told.output_text == "Four."
    assert (told.provider, told.input_tokens, told.output_tokens) == ("openai", 7, 2)


async def test_prompt_and_completion_events_are_read() -> None:
    events = [
        an_event("gen_ai.content.prompt", {"gen_ai.prompt": "Two and two?"}),
        an_event("gen_ai.content.completion", {"gen_ai.completion": "Four."}),
    ]
    told = await interaction_of(
        {"gen_ai.operation.name": "text_completion", "gen_ai.request.model": "m"}, events
    )

    assert (told.kind, told.input_text, told.output_text) == (
        "completion",
        "Two and two?",
        "Four.",
    )


async def test_openllmetry_is_read() -> None:
    told = await interaction_of(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "Anthropic",
            "gen_ai.request.model": "claude",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.10.role": "user",
            "gen_ai.prompt.10.content": "And three?",
            "gen_ai.prompt.9.role": "user",
            "gen_ai.prompt.9.content": "Two?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Three.",
            "gen_ai.completion.0.finish_reason": "end_turn",
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 2,
            "gen_ai.usage.cache_read_input_tokens": 5,
            "llm.usage.total_tokens": 9,
            "traceloop.association.properties.session_id": "s9",
            "traceloop.association.properties.plan": "free",
        }
    )

    assert (told.provider, told.session_id) == ("anthropic", "s9")
    assert (told.input_text, told.output_text) == ("And three?", "Three.")
    assert list(told.finish_reasons) == ["end_turn"]
    assert (told.input_tokens, told.output_tokens, told.cache_read_tokens) == (7, 2, 5)
    assert not told.HasField("reasoning_tokens")
    assert dict(told.tags) == {"service": "shop", "plan": "free"}


async def test_openinference_is_read() -> None:
    told = await interaction_of(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.system": "openai",
            "llm.invocation_parameters": '{"temperature":0.1}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "Two and two?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Four.",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 2,
            "llm.token_count.prompt_details.cache_read": 3,
            "session.id": "s1",
        }
    )

    assert (told.kind, told.request_model, told.session_id) == ("chat", "gpt-4o", "s1")
    assert (told.input_text, told.output_text) == ("Two and two?", "Four.")
    assert (told.input_tokens, told.output_tokens, told.cache_read_tokens) == (7, 2, 3)
    assert told.request_options == '{"temperature":0.1}'


async def test_a_failed_call_says_what_failed() -> None:
    told = await interaction_of(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "429"},
        status={"code": 2, "message": "slow down"},
    )

    assert (told.status, told.error_type, told.error_message, told.http_status) == (
        "error",
        "429",
        "slow down",
        429,
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.input.messages": "[" * 300 + "]" * 300},
        {"gen_ai.prompt": "{not json"},
        {"gen_ai.usage.input_tokens": float("nan")},
        {"gen_ai.response.finish_reasons": "[1]"},
        {"gen_ai.prompt.99999999999999999999.role": "user", "gen_ai.prompt..": "x"},
        {"gen_ai.output.messages": [1, None, {"role": 7}]},
        {"llm.invocation_parameters": "[]"},
    ],
)
async def test_odd_attributes_never_cost_the_span(attributes: dict[str, Any]) -> None:
    base = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    export = export_of(json.dumps(an_export(a_span(base))).encode(), JSON)
    extra = export_of(
        json.dumps(an_export(a_span({k: str(v) for k, v in attributes.items()}))).encode(), JSON
    )
    span = export.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(extra.resource_spans[0].scope_spans[0].spans[0].attributes)
    outbox = FakeOutbox()

    response = await post(export.SerializeToString(), outbox, media_type=PROTOBUF)

    assert (response.status_code, len(outbox.facts)) == (200, 1)
