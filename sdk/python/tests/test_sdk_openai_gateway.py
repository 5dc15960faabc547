"""OpenAI's clients through Leeway: drop-in, with the context of the calling code."""

from __future__ import annotations

import os
from collections.abc import Iterator

import openai
import pytest
from openai_stub import GATEWAY_ID, failure, through_gateway
from sdk_stub import MakeClient, Stub

import leeway
from leeway.openai import AsyncOpenAI, OpenAI

ASK = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def gateway(make_client: MakeClient, stub: Stub) -> Iterator[OpenAI]:
    stub.answer = through_gateway
    with OpenAI(leeway_client=make_client(environment="staging"), max_retries=0) as client:
        yield client


@pytest.fixture
def async_gateway(make_client: MakeClient, stub: Stub) -> AsyncOpenAI:
    stub.answer = through_gateway
    return AsyncOpenAI(leeway_client=make_client(), max_retries=0)


def chat(client: OpenAI) -> object:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


def test_calls_go_to_the_gateway_with_its_key(gateway: OpenAI, stub: Stub) -> None:
    chat(gateway)

    assert stub.requests[0].path == "/v1/chat/completions"
    assert stub.requests[0].headers["authorization"] == "Bearer lk_test"
    assert stub.requests[0].headers["x-leeway-environment"] == "staging"


def test_calls_carry_the_session_and_the_span_of_their_code(gateway: OpenAI, stub: Stub) -> None:
    tags = {"plan": "pro", "team": "a=b"}
    with leeway.session("s-1", user="u-7", tags=tags), leeway.span("work") as span:
        chat(gateway)
    chat(gateway)

    inside, outside = (request.headers for request in stub.requests)
    assert inside["x-leeway-session"] == "s-1"
    assert inside["x-leeway-user"] == "u-7"
    assert inside["x-leeway-tags"] == "plan=pro,team=a=b"
    assert inside["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"
    assert not {"x-leeway-session", "x-leeway-user", "traceparent"} & outside.keys()


def test_what_no_header_can_carry_does_not_break_the_call(gateway: OpenAI, stub: Stub) -> None:
    tags = {"comma": "a,b", "k=v": "x", "newline": "a\nb", "long": "x" * 600, "fine": "yes"}

    with leeway.session("naïve", user="u" * 300, tags=tags):
        chat(gateway)

    headers = stub.requests[0].headers
    assert headers["x-leeway-tags"] == "fine=yes"
    assert not {"x-leeway-session", "x-leeway-user"} & headers.keys()


def test_a_calls_own_headers_win(gateway: OpenAI, stub: Stub) -> None:
    with leeway.session("s-1"):
        gateway.chat.completions.create(
            model="m", messages=[], extra_headers={"x-leeway-session": "s-2"}
        )

    assert stub.requests[0].headers["x-leeway-session"] == "s-2"


def test_a_copy_of_the_client_goes_to_the_gateway_too(gateway: OpenAI, stub: Stub) -> None:
    with leeway.session("s-1"):
        chat(gateway.with_options(timeout=3))

    assert stub.requests[0].headers["x-leeway-session"] == "s-1"
    assert stub.requests[0].headers["x-leeway-environment"] == "staging"


def test_a_completed_reply_tells_its_interaction(gateway: OpenAI) -> None:
    reply = chat(gateway)

    assert leeway.interaction_id(reply) == GATEWAY_ID
    assert leeway.interaction_id() == GATEWAY_ID
    assert "leeway" not in str(reply)


def test_a_stream_tells_its_interaction_before_and_after_it_is_read(gateway: OpenAI) -> None:
    stream = gateway.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    before = leeway.interaction_id(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    assert text == "Hello"
    assert (before, leeway.interaction_id(stream)) == (GATEWAY_ID, GATEWAY_ID)


def test_a_stream_helper_tells_its_interaction(gateway: OpenAI) -> None:
    ask = gateway.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}])
    with ask as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == "Hello"
    assert leeway.interaction_id(stream) == GATEWAY_ID


def test_a_parsed_reply_and_a_raw_one_tell_their_interaction(gateway: OpenAI) -> None:
    parsed = gateway.chat.completions.parse(model="m", messages=[])
    raw = gateway.chat.completions.with_raw_response.create(model="m", messages=[])

    assert leeway.interaction_id(parsed) == GATEWAY_ID
    assert leeway.interaction_id(raw) == GATEWAY_ID


def test_an_error_tells_its_interaction(gateway: OpenAI, stub: Stub) -> None:
    stub.answer = failure

    with pytest.raises(openai.NotFoundError) as caught:
        chat(gateway)

    assert leeway.interaction_id(caught.value) == GATEWAY_ID


async def test_the_async_client_does_the_same(async_gateway: AsyncOpenAI, stub: Stub) -> None:
    async with async_gateway as client:
        with leeway.session("s-1"):
            reply = await client.chat.completions.create(model="m", messages=[])
            stream = await client.chat.completions.create(model="m", messages=[], stream=True)
            texts = [one.choices[0].delta.content async for one in stream if one.choices]

    assert texts == [None, "Hel", "lo", None]
    assert leeway.interaction_id(reply) == GATEWAY_ID
    assert leeway.interaction_id(stream) == GATEWAY_ID
    assert {request.headers["x-leeway-session"] for request in stub.requests} == {"s-1"}


def test_without_a_leeway_key_a_providers_key_is_not_sent_to_the_gateway() -> None:
    os.environ["OPENAI_API_KEY"] = "sk-secret"
    try:
        with pytest.raises(openai.OpenAIError, match="LEEWAY_API_KEY"):
            OpenAI(leeway_client=leeway.Client(leeway.Options(api_key="")))
    finally:
        del os.environ["OPENAI_API_KEY"]


def test_what_is_no_reply_has_no_interaction() -> None:
    assert leeway.interaction_id(object()) is None
    assert leeway.interaction_id("a string") is None
