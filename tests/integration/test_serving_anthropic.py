"""An unmodified OpenAI client against a model that is served by Anthropic's protocol."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.gateway import Gateway, Wiring, gateway
from tests.upstream import TEXT, Upstream, served

SAID: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls:
        wiring = Wiring(
            providers={
                "claude": {"kind": "anthropic", "base_url": urls[0], "api_key": "${CLAUDE}"}
            },
            models={"gpt": {"routes": [{"provider": "claude", "model": "claude-1"}]}},
            secrets={"CLAUDE": "sk-ant"},
        )
        async with gateway(wiring) as running:
            yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


async def test_a_chat_is_asked_and_answered_in_the_other_protocol(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    reply = await client.chat.completions.create(model="gpt", messages=SAID)

    asked = upstream.received[0]
    assert (asked.path, asked.headers["x-api-key"]) == ("/v1/messages", "sk-ant")
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.body["system"] == [{"type": "text", "text": "Be brief."}]
    assert reply.choices[0].message.content == TEXT
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (21, 26)
    [stored] = leeway.interactions
    assert (stored.usage_dialect, stored.input_tokens, stored.output_tokens) == ("anthropic", 21, 5)
    assert json.loads(stored.usage_json)["input_tokens"] == 17


async def test_a_stream_is_translated_event_by_event(client: AsyncOpenAI, leeway: Gateway) -> None:
    stream = await client.chat.completions.create(
        model="gpt", messages=SAID, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    [stored] = leeway.interactions
    assert (stored.status, stored.output_text, stored.output_tokens) == ("ok", TEXT, 5)


async def test_a_tool_is_called_and_its_result_goes_back(
    client: AsyncOpenAI, upstream: Upstream
) -> None:
    stream = await client.chat.completions.create(
        model="gpt", messages=SAID, tools=[TOOL], stream=True
    )
    deltas = [chunk.choices[0].delta async for chunk in stream]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    arguments = "".join((call.function and call.function.arguments) or "" for call in calls)
    used = {
        "id": calls[0].id,
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
    }
    back: Any = [
        *SAID,
        {"role": "assistant", "tool_calls": [used]},
        {"role": "tool", "tool_call_id": calls[0].id, "content": "rain"},
    ]

    final = await client.chat.completions.create(model="gpt", messages=back, tools=[TOOL])

    assert json.loads(arguments) == {"city": "Zürich"}
    assert final.choices[0].message.content == TEXT
    assert upstream.received[1].body["messages"][-1]["content"][0]["type"] == "tool_result"


async def test_a_cut_before_the_counts_leaves_the_output_to_the_deltas(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    upstream.stub = {"cut_after": 5}
    stream = await client.chat.completions.create(model="gpt", messages=SAID, stream=True)

    with pytest.raises(openai.APIError):
        async for _ in stream:
            pass

    [stored] = leeway.interactions
    assert (stored.status, stored.input_tokens, stored.output_tokens) == ("interrupted", 21, 2)
    assert json.loads(stored.usage_json)["output_tokens"] == 1  # the placeholder, as it came


async def test_errors_are_told_in_openais_format(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    body = '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    upstream.stub = {"status": 529, "body": body}

    with pytest.raises(openai.InternalServerError) as refused:
        await client.chat.completions.create(model="gpt", messages=SAID)
    with pytest.raises(openai.BadRequestError) as wrong:
        await client.chat.completions.create(model="gpt", messages=SAID, n=2)
    with pytest.raises(openai.BadRequestError) as vectors:
        await client.embeddings.create(model="gpt", input="a")

    assert (refused.value.status_code, refused.value.code) == (529, "overloaded_error")
    assert wrong.value.code == "unsupported_parameter"
    assert vectors.value.code == "unsupported_operation"
    assert [stored.http_status for stored in leeway.interactions] == [529, 400]
