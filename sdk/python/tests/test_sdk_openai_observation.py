"""A client that goes straight to its provider: recorded, and unchanged."""

from __future__ import annotations

import gc
import json
from typing import Any

import openai
import pytest
from openai_stub import USAGE, completion, events, failure
from sdk_stub import Answer, MakeClient, Request, Stub, serving

import leeway
from leeway.openai import observe

ASK: Any = [{"role": "user", "content": "Hi"}]
SAID = [{"role": "assistant", "content": "Hello"}]


class Bench:
    """A provider, a client of it that is observed, and what was recorded."""

    def __init__(self, provider: Stub, taker: leeway.Client, stub: Stub) -> None:
        self.provider = provider
        self.taker = taker
        self._stub = stub
        self.plain = openai.OpenAI(api_key="sk", base_url=f"{provider.url}/v1", max_retries=0)
        self.client = observe(self.plain, provider="acme", leeway_client=taker)
        self.async_client = observe(
            openai.AsyncOpenAI(api_key="sk", base_url=f"{provider.url}/v1", max_retries=0),
            leeway_client=taker,
        )

    def recorded(self) -> list[Any]:
        assert self.taker.flush()
        return self._stub.items()


@pytest.fixture
def bench(make_client: MakeClient, stub: Stub) -> Any:
    with serving() as provider:
        provider.answer = completion
        bench = Bench(provider, make_client(), stub)
        yield bench
        bench.plain.close()


def test_a_call_is_recorded_with_what_was_asked_and_said(bench: Bench) -> None:
    with leeway.session("s-1", user="u-7"):
        reply = bench.client.chat.completions.create(model="m", messages=ASK, temperature=0.5)

    [item] = bench.recorded()
    assert reply.choices[0].message.content == "Hello"
    assert leeway.interaction_id(reply) == item["id"]
    assert item.pop("started_at") <= item.pop("ended_at")
    assert item == {
        "id": leeway.interaction_id(reply),
        "kind": "chat",
        "model": "m",
        "provider": "acme",
        "response_model": "m-2026",
        "status": "ok",
        "streaming": False,
        "input": ASK,
        "output": SAID,
        "options": {"temperature": 0.5},
        "usage": USAGE,
        "finish_reasons": ["stop"],
        "session_id": "s-1",
        "user_id": "u-7",
    }


def test_the_client_stays_the_client_it_was(bench: Bench) -> None:
    assert bench.client is bench.plain
    assert observe(bench.client, leeway_client=bench.taker) is bench.client

    bench.client.chat.completions.create(model="m", messages=ASK)

    assert len(bench.recorded()) == 1


def test_a_copy_of_the_client_is_observed_too(bench: Bench) -> None:
    bench.client.with_options(timeout=3).chat.completions.create(model="m", messages=ASK)

    assert [item["provider"] for item in bench.recorded()] == ["acme"]


def test_a_stream_is_recorded_when_it_ends(bench: Bench) -> None:
    stream = bench.client.chat.completions.create(model="m", messages=ASK, stream=True)
    assert isinstance(stream, openai.Stream)
    assert bench.recorded() == []

    count = len(list(stream))

    [item] = bench.recorded()
    assert count == 5
    assert (item["status"], item["streaming"], item["output"]) == ("ok", True, SAID)
    assert (item["usage"], item["finish_reasons"]) == (USAGE, ["stop"])
    assert item["started_at"] <= item["first_token_at"] <= item["ended_at"]
    assert leeway.interaction_id(stream) == item["id"]


def test_a_stream_that_is_closed_early_is_recorded_as_cancelled(bench: Bench) -> None:
    with bench.client.chat.completions.create(model="m", messages=ASK, stream=True) as stream:
        next(stream)
        next(stream)

    [item] = bench.recorded()
    assert (item["status"], item["output"]) == (
        "cancelled",
        [{"role": "assistant", "content": "Hel"}],
    )


def test_a_stream_that_nobody_reads_is_recorded_when_it_is_gone(bench: Bench) -> None:
    bench.client.chat.completions.create(model="m", messages=ASK, stream=True)
    gc.collect()

    assert [item["status"] for item in bench.recorded()] == ["cancelled"]


def test_an_error_within_a_stream_is_recorded_and_raised(bench: Bench) -> None:
    bench.provider.answer = lambda _: events({"error": {"message": "overloaded"}})
    stream = bench.client.chat.completions.create(model="m", messages=ASK, stream=True)

    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)

    [item] = bench.recorded()
    assert item["status"] == "error"
    assert item["error"] == {"type": "APIError", "message": "overloaded"}


def test_an_error_is_recorded_and_raised(bench: Bench) -> None:
    bench.provider.answer = failure

    with pytest.raises(openai.NotFoundError):
        bench.client.chat.completions.create(model="m", messages=ASK)

    [item] = bench.recorded()
    assert item["status"] == "error"
    assert item["error"]["type"] == "NotFoundError"
    assert item["error"]["status"] == 404


def test_a_raw_response_is_recorded_with_its_reply(bench: Bench) -> None:
    raw = bench.client.chat.completions.with_raw_response.create(model="m", messages=ASK)

    assert raw.parse().choices[0].message.content == "Hello"
    assert [item["output"] for item in bench.recorded()] == [SAID]


def test_a_response_that_is_not_read_yet_is_left_to_its_reader(bench: Bench) -> None:
    ask = bench.client.chat.completions.with_streaming_response
    with ask.create(model="m", messages=ASK) as raw:
        body = json.loads(raw.read())

    assert body["choices"][0]["message"]["content"] == "Hello"
    assert ["output" in item for item in bench.recorded()] == [False]


async def test_async_calls_and_streams_are_recorded(bench: Bench) -> None:
    async with bench.async_client as client:
        reply = await client.chat.completions.create(model="m", messages=ASK)
        stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
        chunks = [chunk async for chunk in stream]

    items = bench.recorded()
    assert isinstance(stream, openai.AsyncStream)
    assert len(chunks) == 5
    assert [item["output"] for item in items] == [SAID, SAID]
    assert leeway.interaction_id(reply) == items[0]["id"]
    assert {item["provider"] for item in items} == {"127.0.0.1"}


def test_tool_calls_of_a_stream_are_put_together(bench: Bench) -> None:
    def delta(call: dict[str, Any]) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}
        return {"id": "1", "model": "m", "choices": [choice]}

    bench.provider.answer = lambda _: events(
        delta({"id": "call-1", "type": "function", "function": {"name": "add", "arguments": ""}}),
        delta({"function": {"arguments": '{"a":'}}),
        delta({"function": {"arguments": "1}"}}),
    )

    list(bench.client.chat.completions.create(model="m", messages=ASK, stream=True))

    [item] = bench.recorded()
    function = {"name": "add", "arguments": '{"a":1}'}
    assert item["output"][0]["tool_calls"] == [
        {"id": "call-1", "type": "function", "function": function}
    ]


def test_embeddings_are_recorded_without_their_vectors(bench: Bench) -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
    body = {"object": "list", "model": "e-1", "data": [vector], "usage": {"prompt_tokens": 2}}
    bench.provider.answer = lambda _: Answer(200, json.dumps(body).encode())

    reply = bench.client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")

    [item] = bench.recorded()
    assert reply.data[0].embedding == [0.5, 1.0]
    assert (item["kind"], item["input"], item["usage"]) == (
        "embedding",
        ["a", "b"],
        {"prompt_tokens": 2},
    )
    assert "output" not in item


def test_responses_are_recorded_streamed_or_not(bench: Bench) -> None:
    content = {"type": "output_text", "text": "Hello", "annotations": []}
    message = {"type": "message", "id": "1", "role": "assistant", "status": "completed"}
    whole = {
        "id": "resp-1",
        "object": "response",
        "created_at": 1,
        "model": "m-2026",
        "status": "completed",
        "output": [{**message, "content": [content]}],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    }
    delta = {"type": "response.output_text.delta", "delta": "Hello"}

    def answer(request: Request) -> Answer:
        if request.json.get("stream"):
            return events(delta, {"type": "response.completed", "response": whole})
        return Answer(200, json.dumps(whole).encode())

    bench.provider.answer = answer
    bench.client.responses.create(model="m", input="Hi")
    list(bench.client.responses.create(model="m", input="Hi", stream=True))

    once, streamed = bench.recorded()
    for item in (once, streamed):
        assert (item["kind"], item["input"], item["finish_reasons"]) == (
            "response",
            "Hi",
            ["completed"],
        )
        assert item["output"][0]["content"][0]["text"] == "Hello"
        assert item["usage"]["input_tokens"] == 3
    assert "first_token_at" in streamed


def test_what_is_no_client_comes_back_as_it_is() -> None:
    thing: Any = object()

    assert observe(thing) is thing
