"""What a model said, and what it used, folded from replies and deltas."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from services.serving.domain import answer as answers
from services.serving.domain.account import Account, Event
from services.serving.domain.answer import Answer
from services.serving.domain.usage import anthropic_usage, openai_usage
from shared.interactions import Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_chunk(
    delta: object = None, index: int = 0, finish: object = None, **more: object
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"model": "m-1", "choices": [choice], **more}


def folded(*trees: dict[str, Any]) -> Answer:
    answer = Answer()
    for tree in trees:
        answer.add(tree)
    return answer


def test_deltas_become_the_text() -> None:
    answer = folded(
        a_chunk({"role": "assistant", "content": ""}),
        a_chunk({"content": "Hel"}),
        a_chunk({"content": "lo"}),
        a_chunk({}, finish="stop"),
    )

    assert (answer.model, answer.text, answer.finish_reasons) == ("m-1", "Hello", ["stop"])
    assert answer.messages == [{"role": "assistant", "content": "Hello"}]
    assert answer.deltas == 2


def test_the_pieces_of_tool_calls_are_put_together() -> None:
    answer = folded(
        a_chunk(
            {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]}
        ),
        a_chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        a_chunk({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g"}}]}),
        a_chunk(
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}, finish="tool_calls"
        ),
    )

    calls = answer.messages[0]["tool_calls"]
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls] == [
        ("c1", "f", '{"a":1}'),
        ("c2", "g", ""),
    ]


def test_choices_that_come_mixed_are_told_apart() -> None:
    answer = folded(
        a_chunk({"content": "b"}, index=1),
        a_chunk({"content": "a"}, index=0),
        a_chunk({"content": "b"}, index=1, finish="length"),
    )

    assert [message["content"] for message in answer.messages] == ["a", "bb"]
    assert (answer.text, answer.finish_reasons) == ("a", ["length"])


def test_a_whole_reply_is_one_delta() -> None:
    answer = folded({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    assert (answer.text, answer.finish_reasons) == ("Hi", ["stop"])


def test_half_characters_of_two_deltas_are_one_and_a_lone_half_is_replaced() -> None:
    halves = folded(a_chunk({"content": "\ud83d"}), a_chunk({"content": "\ude00"}))
    lone = folded(a_chunk({"content": "a\ud83d"}, finish="\ud800"))

    assert halves.text == "😀"
    assert (lone.text, lone.finish_reasons) == ("a\ufffd", ["\ufffd"])
    assert orjson.dumps(lone.messages)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"choices": None},
        {"choices": {"a": 1}},
        {"choices": [None, 3, {"delta": 4}]},
        a_chunk({"content": 3, "tool_calls": [{"index": "x", "function": 7}, None]}),
        a_chunk({"content": [], "tool_calls": {}}, index=True, finish=5),
    ],
)
def test_shapes_that_nobody_knows_are_passed_over(tree: dict[str, Any]) -> None:
    assert folded(tree).text == ""


def test_memory_is_bounded_and_the_cut_is_told() -> None:
    piece = "x" * 300_000
    answer = folded(
        *[a_chunk({"content": piece})] * 4, *[a_chunk({}, index=n) for n in range(2_000)]
    )

    assert len(answer.text) == answers.MAX_KEPT_CHARS
    assert len(answer.messages) == answers.MAX_KEPT_PARTS
    assert answer.messages[0]["truncated"] is True
    assert answer.deltas == 4


def test_what_is_hidden_is_counted_and_not_sent_and_the_final_event_is_kept_for_last() -> None:
    usage = Usage(raw="{}", dialect="openai", output_tokens=2)
    events = [
        Event(b"1", a_chunk({"content": "a"})),
        Event(b": ping"),
        Event(b"2", {"choices": [], "usage": {"completion_tokens": 2}}, usage, hidden=True),
        Event(b"3", {"choices": [], "prompt_filter_results": []}),
        Event(b"4", final=True),
    ]
    account = Account()

    assert account.fold(events, NOW) == b"1: ping3"
    assert (account.usage, account.first_token_at) == (usage, NOW)
    assert (account.last, account.final) == (b"3", b"4")


def test_usage_of_openais_shape() -> None:
    counts = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }

    assert openai_usage("raw", counts, "flex") == Usage("raw", "openai", "flex", 10, 4, 3, None, 2)


@pytest.mark.parametrize("count", [-1, 2**63, True, "7", 1.5, None, [1]])
def test_a_count_that_no_column_holds_is_left_to_the_raw_usage(count: object) -> None:
    usage = openai_usage("raw", {"prompt_tokens": count, "prompt_tokens_details": 3})

    assert (usage.raw, usage.input_tokens, usage.cache_read_tokens) == ("raw", None, None)


def test_anthropics_input_counts_the_cache_too() -> None:
    counts = {
        "input_tokens": 6,
        "cache_creation_input_tokens": 460,
        "cache_read_input_tokens": 30940,
        "output_tokens": 102,
        "service_tier": "standard",
    }

    whole, cut = anthropic_usage("raw", counts), anthropic_usage("raw", counts, ended=False)

    assert whole == Usage("raw", "anthropic", "standard", 31406, 102, 30940, 460)
    assert cut.output_tokens is None
