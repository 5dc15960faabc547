"""What a model says survives every way around: whole or in pieces, and said back in the next turn."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from services.serving.domain.account import Event
from services.serving.domain.request import Kind
from services.serving.domain.usage import anthropic_usage
from services.serving.protocols.messages.answering import message_counts, message_reply
from services.serving.protocols.passages import whole_passages
from services.serving.protocols.responses.answering import response_counts
from services.serving.providers.anthropic.answering import chat_reply
from shared.interactions import Usage
from tests.translations import (
    Json,
    a_message,
    a_streamed_message,
    a_streamed_response,
    asked,
    chunks_of,
    events_of,
    replied,
    sent,
    streamed,
    trees,
    usage_of,
)

MESSAGE: Json = {
    "model": "m",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
RESPONSE: Json = {"model": "m", "input": "hi"}

words = st.text(min_size=1, max_size=12)
counts = st.integers(0, 2**40)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
arguments = st.dictionaries(words, scalars | st.lists(scalars, max_size=2), max_size=3)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@st.composite
def calls(draw: st.DrawFn) -> list[Json]:
    given = draw(st.lists(st.tuples(words, arguments), max_size=3))
    return [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(value)},
        }
        for place, (name, value) in enumerate(given)
    ]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    fresh, read, written, output = (draw(counts) for _ in range(4))
    return Usage(
        input_tokens=fresh + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=draw(st.integers(0, output)),
    )


@st.composite
def answers(draw: st.DrawFn) -> Json:
    """A whole chat: reasoning, text and calls, each perhaps absent."""
    called = draw(calls())
    message: Json = {"role": "assistant", "content": draw(st.none() | words)}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(words)
    if called:
        message["tool_calls"] = called
    reason = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
    read, fresh, written = (draw(counts) for _ in range(3))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": fresh + read,
            "completion_tokens": written,
            "prompt_tokens_details": {"cached_tokens": read},
        },
    }


@st.composite
def batches(draw: st.DrawFn, events: list[Event]) -> list[list[Event]]:
    edges = sorted({0, len(events), *draw(st.sets(st.integers(0, len(events))))})
    return [events[start:end] for start, end in pairwise(edges)]


@settings(max_examples=30)
@given(answers(), sizes)
async def test_a_message_in_pieces_is_the_message_told_whole(answer: Json, cut: list[int]) -> None:
    whole = await replied(Kind.MESSAGE, MESSAGE, answer)

    stream = sent(await streamed(Kind.MESSAGE, MESSAGE, events_of(*chunks_of(answer, cut))))

    assert a_streamed_message(stream).model_dump() == a_message(whole).model_dump()


@settings(max_examples=30)
@given(answers(), sizes)
async def test_a_response_in_pieces_is_the_response_told_whole(
    answer: Json, cut: list[int]
) -> None:
    whole = orjson.loads(await replied(Kind.RESPONSE, RESPONSE, answer))

    stream = sent(await streamed(Kind.RESPONSE, RESPONSE, events_of(*chunks_of(answer, cut))))

    events = trees(stream)
    assert events[-1]["response"] == whole
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert a_streamed_response(stream).id == whole["id"]
    assert _grown(events) == [_text(item) for item in whole["output"]]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == whole["output"]


@given(answers(), sizes, st.sampled_from([Kind.MESSAGE, Kind.RESPONSE]), st.data())
async def test_how_chunks_arrive_together_changes_no_byte(
    answer: Json, cut: list[int], kind: Kind, data: st.DataObject
) -> None:
    request = MESSAGE if kind is Kind.MESSAGE else RESPONSE
    events = events_of(*chunks_of(answer, cut))

    arrived = await streamed(kind, request, *data.draw(batches(events)))

    assert sent(arrived) == sent(await streamed(kind, request, events))


@given(answers())
async def test_what_a_message_said_is_said_back_as_the_chat_said_it(answer: Json) -> None:
    message = orjson.loads(await replied(Kind.MESSAGE, MESSAGE, answer))

    turns = [*MESSAGE["messages"], {"role": "assistant", "content": message["content"]}]
    ask = {**MESSAGE, "messages": [*turns, {"role": "user", "content": "go on"}]}
    chat = asked(Kind.MESSAGE, ask)["messages"]

    assert [_read(said) for said in chat[1:-1]] == _said_back(answer)


@given(answers())
async def test_what_a_response_said_is_said_back_as_the_chat_said_it(answer: Json) -> None:
    response = orjson.loads(await replied(Kind.RESPONSE, RESPONSE, answer))

    user = {"role": "user", "content": "hi"}
    ask = {**RESPONSE, "input": [user, *response["output"], user]}
    chat = asked(Kind.RESPONSE, ask)["messages"]

    assert [_read(said) for said in chat[1:-1]] == _said_back(answer)


@given(st.lists(words, max_size=2), st.lists(st.tuples(words, arguments), max_size=3), usages())
def test_a_message_of_anthropics_survives_the_chat_that_it_is_told_as(
    texts: list[str], uses: list[tuple[str, Json]], usage: Usage
) -> None:
    blocks: list[Json] = [{"type": "text", "text": text} for text in texts]
    blocks += [
        {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": value}
        for place, (name, value) in enumerate(uses)
    ]
    reason = "tool_use" if uses else "end_turn"
    message = {"id": "msg_1", "model": "c", "content": blocks, "stop_reason": reason}

    chat = chat_reply(message, usage, 1)
    told = orjson.loads(orjson.dumps(message_reply(chat, usage_of(chat), MESSAGE, "c")))

    assert (told["id"], told["model"], told["stop_reason"]) == ("msg_1", "c", reason)
    assert [block for block in told["content"] if block["type"] == "tool_use"] == blocks[
        len(texts) :
    ]
    assert _texts(told["content"]) == "".join(texts)
    assert told["usage"] == message_counts(usage)


@given(usages())
def test_counts_survive_the_shapes_of_both_protocols(usage: Usage) -> None:
    counted = message_counts(usage)
    totals = replace(usage, reasoning_tokens=usage.reasoning_tokens or None)

    assert replace(anthropic_usage("", counted), dialect="") == totals
    assert response_counts(usage)["input_tokens"] == usage.input_tokens
    assert response_counts(usage)["total_tokens"] == sum(
        counted[name] for name in counted if name.endswith("_tokens")
    )


@given(st.text(st.characters(), min_size=1, max_size=12), sizes)
async def test_half_a_character_waits_for_its_other_half(text: str, cut: list[int]) -> None:
    halves = text.encode("utf-16-le", "surrogatepass")
    units = [
        halves[place : place + 2].decode("utf-16-le", "surrogatepass")
        for place in range(0, len(halves), 2)
    ]
    chunks = [{"choices": [{"index": 0, "delta": {"content": unit}}]} for unit in units]

    events = trees(sent(await streamed(Kind.MESSAGE, MESSAGE, events_of(*chunks))))

    deltas = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(deltas) == "".join(told.text for told in whole_passages({"content": text}, "m"))


def _grown(events: list[Json]) -> list[str]:
    """The text of every item, as its deltas told it."""
    texts = ["" for event in events if event["type"] == "response.output_item.added"]
    for event in events:
        if event["type"].endswith(".delta"):
            texts[event["output_index"]] += event["delta"]
    return texts


def _text(item: Json) -> str:
    match item:
        case {"type": "function_call"}:
            text: str = item["arguments"]
        case {"type": "reasoning"}:
            text = item["summary"][0]["text"]
        case _:
            text = item["content"][0]["text"]
    return text


def _texts(blocks: list[Json]) -> str:
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def _said_back(answer: Json) -> list[Any]:
    """The assistant's message as the next chat repeats it: without reasoning, or not at all."""
    message = answer["choices"][0]["message"]
    said = {name: message[name] for name in ("role", "content", "tool_calls") if name in message}
    return [_read(said)] if message["content"] or message.get("tool_calls") else []


def _read(message: Json) -> Json:
    """A message with its calls' arguments as what they mean."""
    calls = [
        {**c, "function": {**c["function"], "arguments": json.loads(c["function"]["arguments"])}}
        for c in message.get("tool_calls") or ()
    ]
    return {**message, "tool_calls": calls}
