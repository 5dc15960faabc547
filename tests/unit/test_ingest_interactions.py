"""POST /v1/interactions and /v1/spans: what is taken, what is refused and why."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.ingest.domain.interactions import KINDS, read_interaction
from services.ingest.domain.messages import answer, messages_of, question
from services.ingest.domain.spans import read_span
from services.ingest.domain.usage import read_usage
from shared.clock import micros
from shared.fields import Fields
from shared.interactions import interaction_fact
from tests.builders import INTERACTION_ID, NOW, a_caller

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NO_TIME = "expected an RFC 3339 time with an offset, or seconds since the Unix epoch"
FULL_ITEM: dict[str, Any] = {
    "id": INTERACTION_ID.upper(),
    "kind": "chat",
    "model": "demo",
    "provider": "openai",
    "response_model": "demo-1",
    "started_at": "2026-11-24T08:59:58+01:00",
    "ended_at": NOW.timestamp(),
    "first_token_at": "2026-11-24T07:59:59.250000123Z",
    "streaming": True,
    "input": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Two and two?"}]},
    ],
    "output": "Four.",
    "options": {"temperature": 0},
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "service_tier": "default"},
    "finish_reasons": ["stop"],
    "session_id": "s1",
    "user_id": "u1",
    "trace_id": TRACE_ID.upper(),
    "span_id": SPAN_ID,
    "prompt": {"name": "adder", "version": "3"},
    "environment": "staging",
    "tags": {"team": "maths"},
    "embedding": [0.5, -1],
}


def read(item: dict[str, Any]) -> tuple[InteractionCompleted, list[str]]:
    fields = Fields(item)
    interaction = read_interaction(fields, fresh_id=INTERACTION_ID, now=NOW)
    fact = interaction_fact(interaction, a_caller(), "full", NOW)
    return InteractionCompleted.FromString(fact.value), fields.faults


def faults(item: dict[str, Any]) -> list[str]:
    fields = Fields(item)
    read_interaction(fields, fresh_id=INTERACTION_ID, now=NOW)
    return fields.faults


def test_every_field_of_an_item_reaches_the_fact() -> None:
    message, faults = read(FULL_ITEM)

    assert faults == []
    assert message == InteractionCompleted(
        interaction_id=INTERACTION_ID,
        tenant="acme",
        project="default",
        environment="staging",
        key_id="k0000001",
        kind="chat",
        source="sdk",
        status="ok",
        provider="openai",
        request_model="demo",
        response_model="demo-1",
        streaming=True,
        started_at_us=micros(NOW) - 2_000_000,
        ended_at_us=micros(NOW),
        first_token_at_us=micros(NOW) - 750_000,
        finish_reasons=["stop"],
        input_tokens=9,
        output_tokens=2,
        usage_json='{"prompt_tokens":9,"completion_tokens":2,"service_tier":"default"}',
        usage_dialect="openai",
        service_tier="default",
        session_id="s1",
        user_id="u1",
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        prompt_name="adder",
        prompt_version="3",
        tags={"team": "maths"},
        content_policy="full",
        input_messages='[{"role":"system","content":"Be brief."},'
        '{"role":"user","content":[{"type":"text","text":"Two and two?"}]}]',
        output_messages='[{"role":"assistant","content":"Four."}]',
        input_text="Two and two?",
        output_text="Four.",
        request_options='{"temperature":0}',
        embedding=[0.5, -1.0],
    )


def test_an_item_needs_no_more_than_a_model() -> None:
    message, faults = read({"model": "demo"})

    assert faults == []
    assert message.interaction_id == INTERACTION_ID
    assert (message.kind, message.status) == ("chat", "ok")
    assert message.started_at_us == message.ended_at_us == micros(NOW)


def test_all_faults_of_an_item_are_told_at_once() -> None:
    item = {
        "id": "7",
        "kind": "chit-chat",
        "started_at": "yesterday",
        "input": 7,
        "tags": {"a": 1},
        "embedding": [1, None],
        "error": "no",
    }

    assert faults(item) == [
        f"kind: expected one of {', '.join(KINDS)}, got 'chit-chat'",
        "error: expected an object, got a string",
        f"started_at: {NO_TIME}, got 'yesterday'",
        "id: expected a UUID of 36 characters, got '7'",
        "model: is required",
        "input: expected a string or a list of messages, got a number",
        "embedding[1]: expected a finite number",
        "tags.a: expected a string, got a number",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"model": "x" * 257}, "model: is longer than 256 characters"),
        ({"model": "\ud800"}, "model: holds a lone surrogate, which is no Unicode text"),
        ({"decision_score": float("nan")}, "decision_score: expected a finite number"),
        ({"decision_score": True}, "decision_score: expected a number, got a boolean"),
        ({"features": {"x": float("inf")}}, "features: holds a number that is not finite"),
        ({"features": {"x": 2**70}}, "features: holds a whole number of more than 64 bits"),
        ({"options": {"\udfff": 1}}, "options: holds a lone surrogate, which is no Unicode text"),
        ({"options": []}, "options: expected an object, got a list"),
        ({"input": ["a", 1]}, "input: expected a string or a list of messages, got a list"),
        ({"input": "x" * 2_000_001}, "input: is longer than 2000000 characters"),
        ({"kind": "predict"}, "decision: is required"),
        ({"started_at": 5, "ended_at": 4}, "ended_at: lies before started_at"),
        (
            {"started_at": 5, "ended_at": 6, "first_token_at": 7},
            "first_token_at: lies outside of started_at to ended_at",
        ),
        ({"started_at": 8e9}, "started_at: lies outside of the years 1970 to 2199"),
        ({"ended_at": -1}, "ended_at: lies outside of the years 1970 to 2199"),
        ({"trace_id": "0" * 32}, "trace_id: expected 32 hexadecimal digits, not all zero"),
        ({"error": {"status": 1000}}, "error.status: expected a whole number from 0 to 599"),
        ({"finish_reasons": "stop"}, "finish_reasons: expected a list of at most 128 strings"),
        (
            {"embedding": [0.5, 1e20]},
            "embedding[1]: expected a number from -1e+06 to 1e+06, got 1e+20",
        ),
        ({"embedding": [2**1100]}, "embedding[0]: expected a finite number"),
        ({"streaming": 1}, "streaming: expected true or false, got a number"),
    ],
)
def test_a_fault_names_the_field_and_what_was_expected(change: dict[str, Any], fault: str) -> None:
    assert faults({"model": "demo", **change}) == [fault]


@pytest.mark.parametrize(
    "text",
    ["2026-11-24", "2026-11-24T08:00:00", "20261124T080000Z", "2026-13-24T08:00:00Z", "now", "5"],
)
def test_a_time_without_an_offset_is_no_time(text: str) -> None:
    assert len(faults({"model": "demo", "started_at": text})) == 1


def test_deep_nesting_is_a_fault_of_the_field() -> None:
    deep: list[Any] = []
    for _ in range(70):
        deep = [deep]

    assert faults({"model": "demo", "options": {"x": deep}}) == [
        "options: is nested deeper than 64 levels"
    ]


def test_an_error_object_makes_the_status_an_error() -> None:
    message, _ = read(
        {"model": "m", "error": {"type": "timeout", "message": "30 s", "status": 504}}
    )

    assert (message.status, message.error_type, message.http_status) == ("error", "timeout", 504)


@pytest.mark.parametrize(
    ("usage", "dialect", "expected"),
    [
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            "openai",
            (9, 5, 4, None, 3),
        ),
        (
            {
                "input_tokens": 6,
                "cache_creation_input_tokens": 460,
                "cache_read_input_tokens": 30_940,
                "output_tokens": 102,
            },
            "anthropic",
            (31_406, 102, 30_940, 460, None),
        ),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6},
            "gemini",
            (10, 10, None, None, 6),
        ),
        ({"prompt_tokens": "many", "completion_tokens": -1}, "openai", (None,) * 5),
        ({"prompt_tokens": 1}, "martian", (None,) * 5),
    ],
)
def test_totals_count_every_token_once(
    usage: dict[str, Any], dialect: str, expected: tuple[int | None, ...]
) -> None:
    told = read_usage(json.dumps(usage), dialect)

    totals = (told.input_tokens, told.output_tokens, told.cache_read_tokens)
    assert (*totals, told.cache_write_tokens, told.reasoning_tokens) == expected
    assert (told.raw, told.dialect) == (json.dumps(usage), dialect)


def test_the_question_is_the_last_thing_the_user_said() -> None:
    messages = messages_of(
        [
            "First",
            {"role": "user", "content": "Second"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            {"role": "tool", "content": "42"},
        ],
        "user",
    )

    assert messages is not None
    assert question(messages) == "Second"


def test_the_answer_is_the_text_of_every_message_that_has_one() -> None:
    said: list[dict[str, object]] = [
        {"role": "assistant", "content": None, "tool_calls": []},
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Rainy"}, {"type": "tool_call"}],
        },
        {"type": "message", "content": [{"type": "output_text", "text": "57 F"}]},
    ]

    assert answer(said) == "Rainy\n57 F"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ITEM = st.dictionaries(st.sampled_from([*FULL_ITEM, "error", "features", "decision"]), JSON)
SPAN = st.dictionaries(
    st.sampled_from(["trace_id", "span_id", "started_at", "ended_at", "attributes", "events"]), JSON
)


@given(ITEM)
def test_any_item_is_either_faulty_or_makes_a_fact(item: dict[str, Any]) -> None:
    fields = Fields(item)

    interaction = read_interaction(fields, fresh_id=INTERACTION_ID, now=NOW)

    assert fields.faults or interaction_fact(interaction, a_caller(), "redacted", NOW).value


@given(SPAN)
def test_any_span_can_be_read(item: dict[str, Any]) -> None:
    fields = Fields(item)

    read_span(fields, now=NOW)

    assert all(fault.encode() for fault in fields.faults)
