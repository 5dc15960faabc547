"""Chats told as Anthropic's Messages: blocks, reasons and events, whole and in pieces."""

from typing import Any

import orjson
import pytest

from services.serving.domain.account import Event
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.protocols.messages.answering import message_counts
from shared.interactions import Usage
from tests.translations import Json, a_streamed_message, events_of, replied, sent, streamed, trees

ASKED: Json = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def a_choice(message: Json, reason: str | None = "stop", **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [{**choice, **more}]}


async def told(answer: Json, **fields: Any) -> Json:
    tree: Json = orjson.loads(await replied(Kind.MESSAGE, {**ASKED, **fields}, answer))
    return tree


def a_chunk(delta: Json, reason: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [choice]}


def a_call(index: int, call_id: str | None = None, name: str | None = None, text: str = "") -> Json:
    function = {"name": name, "arguments": text} if name else {"arguments": text}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


async def stream_of(*chunks: Json, **fields: Any) -> bytes:
    return sent(await streamed(Kind.MESSAGE, {**ASKED, **fields}, events_of(*chunks)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (a_choice({"content": "x"}), ("end_turn", None)),
        (a_choice({"content": "x"}, "length"), ("max_tokens", None)),
        (a_choice({"content": "x"}, "content_filter"), ("refusal", None)),
        (a_choice({"content": "x"}, stop_reason="END"), ("stop_sequence", "END")),
        (a_choice({"content": "x"}, stop_reason="other"), ("end_turn", None)),
        (a_choice({"content": "x"}, stop_reason=2), ("end_turn", None)),
        (a_choice({"content": "x"}, None), (None, None)),
        (a_choice({"content": "x"}, "overloaded"), ("overloaded", None)),
    ],
)
async def test_the_reason_of_an_end_is_told_and_never_invented(
    answer: Json, expected: tuple[str | None, str | None]
) -> None:
    message = await told(answer, stop_sequences=["END"])

    assert (message["stop_reason"], message["stop_sequence"]) == expected


@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "stop"])
async def test_a_call_that_the_client_forced_ends_with_the_use_of_a_tool(reason: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": ""}}

    message = await told(a_choice({"content": None, "tool_calls": [call]}, reason))

    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [{"type": "tool_use", "id": "c", "name": "now", "input": {}}]


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", "no", '{"a": NaN}'])
async def test_arguments_that_are_no_object_are_no_answer(arguments: str) -> None:
    call = {"id": "c", "function": {"name": "now", "arguments": arguments}}

    with pytest.raises(UpstreamFailed) as caught:
        await told(a_choice({"tool_calls": [call]}, "tool_calls"))

    assert caught.value.code == "upstream_malformed"


async def test_arguments_that_the_bound_cut_are_told_as_anthropics_client_reads_them() -> None:
    call = {"id": "c", "function": {"name": "find", "arguments": '{"city": "Zürich", "day": "Mon'}}

    whole = await told(a_choice({"tool_calls": [call]}, "length"))
    stream = await stream_of(
        a_chunk(a_call(0, "c", "find")),
        a_chunk(a_call(0, text=call["function"]["arguments"])),  # type: ignore[index]
        a_chunk({}, "length"),
    )

    read = a_streamed_message(stream).content[0]
    assert whole["content"][0]["input"] == {"city": "Zürich"}
    assert (read.type, whole["stop_reason"]) == ("tool_use", "max_tokens")


async def test_a_number_larger_than_64_bits_passes_as_it_is() -> None:
    call = {
        "id": "c",
        "function": {"name": "now", "arguments": '{"n": 123456789012345678901234567890}'},
    }

    body = await replied(Kind.MESSAGE, ASKED, a_choice({"tool_calls": [call]}, "tool_calls"))

    assert b'"input":{"n": 123456789012345678901234567890}' in body


async def test_calls_one_behind_the_other_are_blocks_one_behind_the_other() -> None:
    stream = await stream_of(
        a_chunk({"role": "assistant", "content": ""}),
        a_chunk({"content": "Both."}),
        a_chunk(a_call(0, "c1", "weather", '{"city"')),
        a_chunk(a_call(0, text=': "Bern"}')),
        a_chunk(a_call(1, "c2", "now", "{}")),
        a_chunk({}, "tool_calls"),
    )

    events = [(e["type"], e.get("index")) for e in trees(stream)]
    assert events == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]


async def test_whole_calls_that_a_server_numbers_all_alike_are_several() -> None:
    stream = await stream_of(
        a_chunk(a_call(0, "c1", "weather", "{}")),
        a_chunk(a_call(0, "c2", "now", "{}")),
        a_chunk({}, "stop"),
    )

    message = a_streamed_message(stream)
    assert [block.to_dict()["name"] for block in message.content] == ["weather", "now"]
    assert message.stop_reason == "tool_use"


async def test_a_call_without_an_id_is_given_one() -> None:
    call = {"function": {"name": "now", "arguments": "{}"}}

    message = await told(a_choice({"tool_calls": [call]}, "tool_calls"))

    assert message["content"][0]["id"].startswith("call_")


@pytest.mark.parametrize(
    "chunks",
    [
        [a_call(0, "c1", "a", "{"), a_call(1, "c2", "b", "{"), a_call(0, text="}")],
        [a_call(0, "c1")],
    ],
)
async def test_calls_that_no_client_could_read_are_no_answer(chunks: list[Json]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await stream_of(*map(a_chunk, chunks))

    assert caught.value.code == "upstream_malformed"


async def test_what_was_whole_before_a_fault_is_the_clients() -> None:
    batch = events_of(a_chunk({"content": "Yes."}), a_chunk(a_call(0, "c1")))
    given: list[Event] = []

    with pytest.raises(UpstreamFailed):
        await streamed(Kind.MESSAGE, ASKED, batch, into=given)

    assert b'"text":"Yes."' in sent(given)


async def test_a_stream_whose_usage_is_never_told_counts_nothing() -> None:
    stream = await stream_of(a_chunk({"content": "Yes."}, "stop"))

    assert trees(stream)[-2]["usage"] == message_counts(Usage())


async def test_other_choices_than_the_first_are_not_told() -> None:
    other = {"index": 1, "delta": {"content": "No."}, "finish_reason": "length"}
    chunk = a_chunk({"content": "Yes."}, "stop")
    chunk["choices"].append(other)

    message = a_streamed_message(await stream_of(chunk))

    assert [block.to_dict()["text"] for block in message.content] == ["Yes."]
    assert message.stop_reason == "end_turn"
