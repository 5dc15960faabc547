"""Unmodified clients against models that other protocols serve: Gemini, Bedrock, Azure, and Anthropic's own."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tests.adapters import ADAPTERS, replied
from tests.gateway import Gateway, Wiring, gateway
from tests.tapes import Player, Recording, cassette, playing

SAID: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
HELLO = "Hello there, my friend."
KINDS = ("gemini", "bedrock", "azure", "anthropic")
SECRETS = {"KEY": "sk-secret", "ID": "AKIDEXAMPLE"}


@pytest.fixture
async def player() -> AsyncIterator[Player]:
    async with playing() as running:
        yield running


@pytest.fixture
async def leeway(player: Player) -> AsyncIterator[Gateway]:
    """A model of the name of each kind."""
    providers = {
        kind: {
            "kind": kind,
            "base_url": f"{player.url}{ADAPTERS[kind].path}",
            "api_key": "${KEY}",
            "options": ADAPTERS[kind].options,
        }
        for kind in KINDS
    }
    models = {
        kind: {
            "routes": [{"provider": kind, "model": cassette(kind, "chat").get("model", "upstream")}]
        }
        for kind in KINDS
    }
    async with gateway(Wiring(providers, models, secrets=SECRETS)) as running:
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


async def take(client: AsyncOpenAI, model: str, came: list[ChatCompletionChunk]) -> None:
    """Take in what comes of a stream, until it ends or fails."""
    stream = await client.chat.completions.create(model=model, messages=SAID, stream=True)
    async for chunk in stream:
        came.append(chunk)  # noqa: PERF401 - those before a failure count


@pytest.mark.parametrize("kind", KINDS)
async def test_a_chat_is_answered_by_every_protocol(
    kind: str, client: AsyncOpenAI, leeway: Gateway, player: Player
) -> None:
    recording = cassette(kind, "chat")
    player.recording = replied(recording)

    reply = await client.chat.completions.create(model=kind, messages=SAID)

    counts = recording["answer"]["usage"]
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (HELLO, "stop")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
        counts["input"],
        counts["output"],
    )
    [stored] = leeway.interactions
    assert (stored.status, stored.output_text) == ("ok", HELLO)
    assert (stored.input_tokens, stored.output_tokens) == (counts["input"], counts["output"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_with_tools_is_read_by_the_client(
    kind: str, client: AsyncOpenAI, leeway: Gateway, player: Player
) -> None:
    recording = cassette(kind, "tools")
    player.recording = ADAPTERS[kind].recorded(recording["stream"])
    asked = {**recording["request"], "model": kind}

    stream = await client.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        for call in (chunk.choices[0].delta.tool_calls or ()) if chunk.choices else ():
            assert call.function is not None
            calls.setdefault(call.index, []).append(call.function.arguments or "")
    assert [json.loads("".join(pieces)) for pieces in calls.values()] == [
        {"city": "Bern"},
        {"city": "Rome"},
    ]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == recording["answer"]["usage"]["input"]
    [stored] = leeway.interactions
    assert (stored.status, list(stored.finish_reasons)) == ("ok", ["tool_calls"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_is_cut_is_told_as_one(
    kind: str, client: AsyncOpenAI, leeway: Gateway, player: Player
) -> None:
    recording = cassette(kind, "chat")
    player.recording = ADAPTERS[kind].recorded(recording["stream"][:-2], cut=True)
    if kind == "gemini":
        player.recording = ADAPTERS[kind].recorded(recording["stream"][:1], cut=True)
    came: list[ChatCompletionChunk] = []

    with pytest.raises(openai.APIError):
        await take(client, kind, came)

    reasons = {choice.finish_reason for chunk in came for choice in chunk.choices} - {None}
    # Azure had said why it stopped before the connection broke.
    assert reasons == ({"stop"} if kind == "azure" else set())
    [stored] = leeway.interactions
    assert stored.status == "interrupted"


async def test_how_long_to_wait_for_gemini_reaches_the_client(
    client: AsyncOpenAI, player: Player
) -> None:
    error = cassette("gemini", "errors")["replies"][0]
    player.recording = Recording(
        status=429,
        headers={"content-type": "application/json"},
        pieces=[json.dumps(error["body"]).encode()],
    )

    with pytest.raises(openai.RateLimitError) as limited:
        await client.chat.completions.create(model="gemini", messages=SAID)

    assert limited.value.code == "RESOURCE_EXHAUSTED"
    assert limited.value.response.headers["retry-after"] == "35"


async def test_vectors_are_packed_as_the_client_asks(client: AsyncOpenAI, player: Player) -> None:
    player.recording = replied(cassette("gemini", "embedding"))

    reply = await client.embeddings.create(model="gemini", input=["a", "b"])

    assert [each.embedding for each in reply.data] == [[0.5, -0.25], [1.0, 0.0]]


async def test_a_message_passes_with_its_betas_and_its_thoughts(
    leeway: Gateway, player: Player
) -> None:
    recording = cassette("anthropic", "message")
    player.recording = ADAPTERS["anthropic"].recorded(recording["stream"])
    said: Any = [{"role": "user", "content": "Hello, Claude"}]

    async with (
        anthropic.AsyncAnthropic(base_url=leeway.url, auth_token=leeway.key) as client,
        client.messages.stream(
            model="anthropic",
            max_tokens=1024,
            messages=said,
            extra_headers={"anthropic-beta": "interleaved-thinking-2025-05-14"},
        ) as stream,
    ):
        message = await stream.get_final_message()

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert player.headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"
    assert player.headers["x-api-key"] == "sk-secret"
    assert json.loads(player.body)["model"] == "upstream"
    [stored] = leeway.interactions
    assert (stored.kind, stored.output_text, stored.input_tokens) == ("message", HELLO, 22)


async def test_a_message_is_answered_by_bedrock(leeway: Gateway, player: Player) -> None:
    player.recording = replied(cassette("bedrock", "chat"))

    async with anthropic.AsyncAnthropic(base_url=leeway.url, auth_token=leeway.key) as client:
        message = await client.messages.create(
            model="bedrock",
            max_tokens=9,
            system="Be brief.",
            messages=[{"role": "user", "content": "Say hello."}],
        )

    assert (message.content[0].type, message.stop_reason) == ("text", "end_turn")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (15, 4)
    assert player.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
