"""The gateway as an unmodified OpenAI client sees it, and what it records of that."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway import Gateway, gateway, one_upstream, tell
from tests.upstream import CHAT_USAGE, TEXT, Upstream, served

SAID: Any = [{"role": "user", "content": "Which bytes?"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls, gateway(one_upstream(urls[0])) as running:
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


async def test_a_chat_is_answered_and_recorded_whole(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="gpt",
        messages=SAID,
        temperature=0.5,
        metadata={"session_id": "s-1", "team": "blue"},
        extra_headers={"x-leeway-user": "u-1", "x-leeway-prompt": "support@3"},
    )

    assert raw.parse().choices[0].message.content == TEXT
    [stored] = leeway.interactions
    assert stored.interaction_id == raw.headers["x-leeway-interaction-id"]
    assert (stored.tenant, stored.kind, stored.source, stored.status) == (
        "acme",
        "chat",
        "serving",
        "ok",
    )
    assert (stored.request_model, stored.response_model) == ("gpt", "gpt-4o-mini-2026-01-01")
    assert (stored.input_text, stored.output_text) == ("Which bytes?", TEXT)
    assert (stored.input_tokens, stored.output_tokens, stored.cache_read_tokens) == (21, 5, 4)
    assert json.loads(stored.usage_json) == CHAT_USAGE
    assert (stored.session_id, stored.user_id, dict(stored.tags)) == (
        "s-1",
        "u-1",
        {"team": "blue"},
    )
    assert (stored.prompt_name, stored.prompt_version) == ("support", "3")
    assert stored.request_options == '{"temperature":0.5}'
    assert not stored.HasField("first_token_at_us")
    assert [(a.provider, a.model, a.status) for a in stored.attempts] == [
        ("stub", "gpt-4o-mini", "ok")
    ]
    assert leeway.outbox.opened == {}
    assert upstream.received[0].headers["authorization"] == "Bearer sk-stub-secret"


def sell(leeway: Gateway) -> str:
    """A model that has a price: its name."""
    upstream = {"kind": "openai", "base_url": leeway.live.providers["stub"].base_url}
    tell(leeway.live, "provider", "openai", upstream)
    routes = [{"provider": "openai", "model": "gpt-4o-mini"}]
    tell(leeway.live, "model", "priced", {"routes": routes})
    return "priced"


async def test_the_cost_on_the_reply_is_exact(client: AsyncOpenAI, leeway: Gateway) -> None:
    priced = sell(leeway)

    raw = await client.chat.completions.with_raw_response.create(model=priced, messages=SAID)
    unpriced = await client.chat.completions.with_raw_response.create(model="gpt", messages=SAID)

    # 17 fresh at 0.15, 4 cached at 0.075 and 5 written at 0.60 USD per million.
    assert raw.headers["x-leeway-cost-usd"] == "0.00000585"
    assert "x-leeway-cost-usd" not in unpriced.headers


async def test_a_stream_ends_with_its_exact_cost_in_a_comment(
    client: AsyncOpenAI, leeway: Gateway
) -> None:
    bodies = []
    for model in (sell(leeway), "gpt"):
        async with client.chat.completions.with_streaming_response.create(
            model=model, messages=SAID, stream=True
        ) as raw:
            bodies.append(await raw.read())

    priced, unpriced = bodies
    assert priced.endswith(b"\n\n: x-leeway-cost-usd 0.00000585\n\ndata: [DONE]\n\n")
    assert b"x-leeway-cost-usd" not in unpriced


async def test_an_unmodified_client_reads_a_priced_stream_as_any_other(
    client: AsyncOpenAI, leeway: Gateway
) -> None:
    told = []
    for model in (sell(leeway), "gpt"):
        stream = await client.chat.completions.create(model=model, messages=SAID, stream=True)
        chunks = [chunk.model_dump(exclude={"id", "created"}) async for chunk in stream]
        told.append(chunks)

    assert told[0] == told[1]
    assert len(told[0]) == 7


async def test_a_stream_comes_in_deltas_and_tells_no_usage_that_was_not_asked_for(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    stream = await client.chat.completions.create(model="gpt", messages=SAID, stream=True)
    chunks = [chunk async for chunk in stream]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert len(chunks) == 7
    assert upstream.received[0].body["stream_options"] == {"include_usage": True}
    [stored] = leeway.interactions
    assert (stored.status, stored.streaming, stored.output_text) == ("ok", True, TEXT)
    assert (stored.input_tokens, stored.output_tokens) == (21, 5)
    assert list(stored.finish_reasons) == ["stop"]
    assert stored.started_at_us <= stored.first_token_at_us <= stored.ended_at_us


async def test_a_stream_tells_the_usage_when_it_is_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt", messages=SAID, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 26


async def test_tools_pass_through_and_are_recorded(client: AsyncOpenAI, leeway: Gateway) -> None:
    whole = await client.chat.completions.create(model="gpt", messages=SAID, tools=[TOOL])
    stream = await client.chat.completions.create(
        model="gpt", messages=SAID, tools=[TOOL], stream=True
    )
    streamed = [chunk async for chunk in stream]

    [called] = whole.choices[0].message.tool_calls or []
    assert called.type == "function"
    assert called.function.arguments == '{"city": "Zürich"}'
    assert streamed[-1].choices[0].finish_reason == "tool_calls"
    first, second = (json.loads(stored.output_messages) for stored in leeway.interactions)
    assert first == second
    assert first[0]["tool_calls"][0]["function"] == {
        "name": "weather",
        "arguments": '{"city": "Zürich"}',
    }


async def test_embeddings_are_answered_and_recorded(client: AsyncOpenAI, leeway: Gateway) -> None:
    reply = await client.embeddings.create(model="gpt", input=["a", "b"])

    assert [item.embedding for item in reply.data] == [[1.0, 0.5, 0.0], [1.0, 0.5, 1.0]]
    [stored] = leeway.interactions
    assert (stored.kind, stored.input_text, stored.input_tokens) == ("embedding", "a\nb", 7)


async def test_the_demo_model_answers_without_any_upstream(
    client: AsyncOpenAI, leeway: Gateway
) -> None:
    reply = await client.chat.completions.create(
        model="demo",
        messages=SAID,
        max_tokens=4,
        metadata={"leeway_demo_input_tokens": "374", "leeway_demo_output_tokens": "44"},
    )

    assert reply.choices[0].message.content == "This is Leeway's built-in "
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (374, 44)
    assert (leeway.interactions[0].input_tokens, dict(leeway.interactions[0].tags)) == (374, {})


async def test_models_are_listed_as_they_go_live(client: AsyncOpenAI, leeway: Gateway) -> None:
    tell(leeway.live, "model", "org/new", {"routes": [{"provider": "stub", "model": "x"}]})

    assert [model.id async for model in client.models.list()] == ["demo", "gpt", "org/new"]
    assert (await client.models.retrieve("org/new")).id == "org/new"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nope")


async def test_unknown_models_and_wrong_keys_are_told_in_openais_format(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="nope", messages=SAID)
    with pytest.raises(openai.AuthenticationError) as stranger:
        await client.with_options(api_key="lk_x").chat.completions.create(
            model="gpt", messages=SAID
        )

    assert unknown.value.code == "model_not_found"
    assert unknown.value.response.headers["x-leeway-interaction-id"]
    assert stranger.value.code == "invalid_api_key"
    assert (upstream.received, leeway.interactions) == ([], [])


async def test_private_metadata_reaches_no_upstream(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    metadata = {"leeway_demo_status": "500", "team": "blue"}
    await client.chat.completions.create(model="gpt", messages=SAID, metadata=metadata)

    assert upstream.received[0].body["metadata"] == {"team": "blue"}
    assert dict(leeway.interactions[0].tags) == {"team": "blue"}


async def test_a_trace_goes_on_upstream(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    header = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    await client.chat.completions.create(model="gpt", messages=SAID, extra_headers=header)

    [stored] = leeway.interactions
    assert (stored.trace_id, stored.parent_span_id) == (trace, "00f067aa0ba902b7")
    assert upstream.received[0].headers["traceparent"] == f"00-{trace}-{stored.span_id}-01"


async def test_a_blocking_client_is_served_alike(leeway: Gateway) -> None:
    def ask() -> tuple[str | None, str]:
        with OpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as client:
            whole = client.chat.completions.create(model="gpt", messages=SAID)
            stream = client.chat.completions.create(model="gpt", messages=SAID, stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    assert await asyncio.to_thread(ask) == (TEXT, TEXT)
