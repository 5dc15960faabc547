"""The usage of a stream is its last cumulative count; what never came is missing, not zero."""

import json

import pytest

from shared.prices.usage.counts import Metered, UsageDoubtful, UsageMissing
from shared.prices.usage.dialects import meter


def streamed(dialect: str, *events: object) -> Metered:
    return meter(json.dumps(events), f"{dialect}_stream")


def chunk(written: int, **changes: object) -> dict[str, object]:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": written,
        "total_tokens": 100 + written,
    }
    return {"choices": [{}], "usage": usage, **changes}


def start(**usage: int) -> dict[str, object]:
    return {"type": "message_start", "message": {"usage": {"output_tokens": 1, **usage}}}


def delta(**usage: int | None) -> dict[str, object]:
    return {"type": "message_delta", "usage": usage}


def test_cumulative_chunks_are_not_added() -> None:
    stream = streamed("openai_chat", chunk(10), chunk(20), chunk(30, choices=[]))

    assert (stream.tokens, stream.partial) == ({"fresh_input": 100, "output": 30}, "")


def test_a_chat_stream_without_its_end_is_partial() -> None:
    assert streamed("openai_chat", chunk(10), chunk(20)).partial == "output_incomplete"


def test_a_finish_reason_ends_a_chat_stream() -> None:
    last = chunk(20, choices=[{"finish_reason": "stop"}])

    assert streamed("openai_chat", chunk(10), last).partial == ""


def test_a_counter_that_goes_down_is_not_trusted() -> None:
    with pytest.raises(UsageDoubtful, match="cumulative_decrease"):
        streamed("openai_chat", chunk(30), chunk(20, choices=[]))


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        ("openai_chat", {"choices": [{"delta": {"content": "a"}}], "usage": None}),
        ("openai_responses", {"type": "response.created", "response": {"usage": None}}),
        ("anthropic", {"type": "ping"}),
        ("gemini", {"candidates": [{}]}),
        ("bedrock_converse", {"messageStop": {}}),
    ],
)
def test_a_stream_that_told_no_usage_has_none(dialect: str, event: object) -> None:
    with pytest.raises(UsageMissing, match="stream_without_usage"):
        streamed(dialect, event)


def test_the_event_that_ends_a_response_carries_its_usage() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    ends = {"type": "response.incomplete", "response": {"usage": usage}}

    assert streamed("openai_responses", ends).tokens == {"fresh_input": 10, "output": 5}


def test_an_anthropic_delta_overwrites_with_what_it_names() -> None:
    stream = streamed(
        "anthropic",
        start(input_tokens=100, cache_read_input_tokens=7),
        delta(input_tokens=5100, cache_read_input_tokens=None, output_tokens=80),
    )

    assert stream.tokens == {"fresh_input": 5100, "cache_read": 7, "output": 80}


def test_an_anthropic_stream_without_a_delta_has_an_exact_input_only() -> None:
    stream = streamed("anthropic", start(input_tokens=1200, cache_read_input_tokens=5000))

    assert stream.partial == "output_unknown"
    assert stream.tokens == {"fresh_input": 1200, "cache_read": 5000}


def test_an_anthropic_output_that_shrinks_is_not_trusted() -> None:
    with pytest.raises(UsageDoubtful, match="cumulative_decrease"):
        streamed("anthropic", start(input_tokens=1), delta(output_tokens=9), delta(output_tokens=8))


def test_gemini_chunks_repeat_the_usage_until_a_finish_reason() -> None:
    first = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1}}
    last = {
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4},
        "candidates": [{"finishReason": "STOP"}],
    }

    stream = streamed("gemini", first, last)

    assert (stream.tokens, stream.partial) == ({"fresh_input": 9, "output": 4}, "")


def test_bedrock_tells_the_usage_in_its_metadata() -> None:
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}

    stream = streamed("bedrock_converse", {"metadata": {"usage": usage}})

    assert stream.tokens == {"fresh_input": 3, "output": 4}


def test_events_must_be_a_list_of_objects() -> None:
    with pytest.raises(UsageDoubtful, match="not_a_list_of_events"):
        meter('[1, "a"]', "openai_chat_stream")
