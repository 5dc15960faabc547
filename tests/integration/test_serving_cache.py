"""Answers that are given again over HTTP: what clients receive, what upstreams are asked, and what is recorded."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from valkey.asyncio import Valkey

from services.serving.settings import Settings
from tests.gateway import Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served
from tests.valkey import ValkeyServer, a_valkey

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
CANARY = "canary of 24 November"


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0])
        # It speaks neither Responses nor completions itself: they are asked of it as chats.
        claude = {"kind": "anthropic", "base_url": urls[0], "api_key": "${STUB}"}
        model = {"routes": [{"provider": "claude", "model": "claude-sonnet-4-5"}]}
        providers = {**wiring.providers, "claude": claude}
        models = {**wiring.models, "claude": model}
        async with gateway(replace(wiring, providers=providers, models=models)) as running:
            cache(running, exact_seconds=60)
            yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(leeway) as client:
        yield client


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    async with a_valkey(tmp_path) as server:
        yield server


def asking(leeway: Gateway) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {leeway.key}"}
    return httpx.AsyncClient(base_url=leeway.url, headers=headers, timeout=20)


def cache(leeway: Gateway, content: str = "full", **terms: Any) -> None:
    """Tell the tenant's policy as the registry would."""
    tell(leeway.live, "tenant", "acme", {"content": content, "policy": {"cache": terms}})


def asked(path: str = CHAT, text: str = "What is two and two?", **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}]
    fields: Mapping[str, Mapping[str, Any]] = {
        RESPONSES: {"input": text},
        MESSAGES: {"messages": said, "max_tokens": 64},
        COMPLETIONS: {"prompt": text},
        EMBEDDINGS: {"input": text},
    }
    model = "claude" if path in (RESPONSES, COMPLETIONS) else "gpt"
    return {"model": model, **fields.get(path, {"messages": said}), **more}


def told(reply: httpx.Response) -> tuple[int, str | None]:
    return reply.status_code, reply.headers.get("x-leeway-cache")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, COMPLETIONS, EMBEDDINGS])
async def test_the_same_request_is_answered_again_byte_for_byte(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient, path: str
) -> None:
    first = await client.post(path, json=asked(path))
    second = await client.post(path, json=asked(path))

    assert (told(first), told(second)) == ((200, "miss"), (200, "hit"))
    assert second.content == first.content
    assert int(second.headers["age"]) < 20
    assert len(upstream.received) == 1
    asking, again = leeway.interactions
    assert (asking.cache, again.cache, again.status) == ("", "exact", "ok")
    assert (len(asking.attempts), len(again.attempts)) == (1, 0)
    assert (again.input_tokens, again.output_tokens) == (0, 0)
    assert again.usage_json == ""
    assert again.output_text == asking.output_text
    assert again.interaction_id != asking.interaction_id


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, COMPLETIONS])
async def test_a_stream_is_streamed_again_byte_for_byte(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient, path: str
) -> None:
    body = asked(path, stream=True)

    first, second = [await client.post(path, json=body) for _ in range(2)]

    assert (told(first), told(second)) == ((200, "miss"), (200, "hit"))
    events = [
        [line for line in reply.text.splitlines() if line.startswith(("event:", "data:"))]
        for reply in (first, second)
    ]
    assert events[0] == events[1]
    assert second.headers["content-type"] == first.headers["content-type"]
    assert len(upstream.received) == 1
    asking, again = leeway.interactions
    assert (again.cache, again.streaming, again.output_text) == ("exact", True, asking.output_text)
    assert (again.input_tokens, again.output_tokens) == (0, 0)


async def test_whether_usage_was_asked_for_is_answered_for_each(
    upstream: Upstream, client: httpx.AsyncClient
) -> None:
    bare = asked(stream=True)
    counted = {**bare, "stream_options": {"include_usage": True}}

    replies = [await client.post(CHAT, json=body) for body in (bare, counted, bare, counted)]

    assert [told(reply)[1] for reply in replies] == ["miss", "miss", "hit", "hit"]
    assert ['"usage":{' in reply.text.replace(" ", "") for reply in replies] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "stub",
    [
        {"cut_after": 2},
        {"error_after": 2},
        {"status": 500, "body": '{"error":{"message":"no"}}'},
        {"body": "<html>", "content_type": "text/html"},
        {"body": '{"id":"1","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"length"}]}'},
    ],
    ids=["cut", "error", "status", "html", "length"],
)  # fmt: skip
async def test_what_is_no_whole_answer_is_never_given_again(
    upstream: Upstream, client: httpx.AsyncClient, stub: dict[str, Any]
) -> None:
    body = asked(stream="cut_after" in stub or "error_after" in stub)
    upstream.stub = stub
    await client.post(CHAT, json=body)
    upstream.stub = {}

    after = await client.post(CHAT, json=body)

    assert told(after) == (200, "miss")
    assert "Leeway passes every byte." in after.text or body["stream"]


async def test_a_client_may_ask_anew_or_not_to_be_remembered(
    upstream: Upstream, client: httpx.AsyncClient
) -> None:
    async def ask(control: str) -> str | None:
        reply = await client.post(CHAT, json=asked(), headers={"cache-control": control})
        return told(reply)[1]

    outcomes = [await ask(control) for control in ("no-store", "", "no-cache", "max-age=60", "")]

    assert outcomes == ["bypass", "miss", "bypass", "hit", "hit"]
    assert len(upstream.received) == 3


@pytest.mark.parametrize(("path", "kind"), [(CHAT, None), (MESSAGES, "error")])
async def test_only_if_cached_is_refused_in_the_clients_words(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient, path: str, kind: str | None
) -> None:
    headers = {"cache-control": "only-if-cached"}

    refused = await client.post(path, json=asked(path), headers=headers)
    await client.post(path, json=asked(path))
    given = await client.post(path, json=asked(path), headers=headers)

    assert refused.status_code == 504
    assert refused.json().get("type") == kind
    assert refused.json()["error"]["message"]
    assert told(given) == (200, "hit")
    assert len(upstream.received) == 1
    assert leeway.outbox.opened == {}


async def test_what_is_given_again_passes_the_gate(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient
) -> None:
    policy = {"cache": {"exact_seconds": 60}, "limits": {"requests_per_minute": 2}}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": policy})

    replies = [await client.post(CHAT, json=asked()) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert len(upstream.received) == 1


async def test_without_a_policy_nothing_is_told_and_nothing_given_again(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient
) -> None:
    cache(leeway)

    replies = [await client.post(CHAT, json=asked()) for _ in range(2)]

    assert [told(reply) for reply in replies] == [(200, None), (200, None)]
    assert len(upstream.received) == 2


async def test_a_near_question_is_answered_and_one_with_another_number_is_not(
    upstream: Upstream, leeway: Gateway, client: httpx.AsyncClient
) -> None:
    cache(leeway, semantic_seconds=60)
    questions = (
        "How can I reset 2 passwords?",
        "How do I reset 2 passwords?",
        "How can I reset 3 passwords?",
    )

    replies = [await client.post(CHAT, json=asked(text=text, temperature=0)) for text in questions]

    assert [told(reply)[1] for reply in replies] == ["miss", "hit", "miss"]
    assert [each.cache for each in leeway.interactions] == ["", "semantic", ""]
    assert leeway.interactions[1].input_text == questions[1]
    assert len(upstream.received) == 2


@pytest.mark.parametrize("content", ["full", "hash"])
async def test_workers_share_what_may_be_stored_and_nothing_else(
    upstream: Upstream, valkey: ValkeyServer, content: str
) -> None:
    settings = Settings(state_url=valkey.url, state_timeout_seconds=5)
    terms = {"exact_seconds": 60, "semantic_seconds": 60, "semantic_max_temperature": 1}
    upstream.stub = {"text": CANARY}

    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(served(upstream.app()))
        wiring = replace(one_upstream(urls[0]), content=content)
        replies = []
        for _ in range(2):
            leeway = await stack.enter_async_context(gateway(wiring, settings=settings))
            cache(leeway, content, **terms)
            client = await stack.enter_async_context(asking(leeway))
            replies += [await client.post(CHAT, json=asked(text=CANARY)) for _ in range(2)]
        stored = b"".join([value async for value in _values(valkey)])

    shared = content == "full"
    assert [told(reply)[1] for reply in replies] == [
        "miss",
        "hit",
        "hit" if shared else "miss",
        "hit",
    ]
    assert (CANARY.encode() in stored) is shared


async def test_calls_are_answered_while_the_server_is_away(
    upstream: Upstream, valkey: ValkeyServer
) -> None:
    settings = Settings(state_url=valkey.url, state_timeout_seconds=5)

    async with served(upstream.app()) as urls, gateway(one_upstream(urls[0]), settings=settings) as leeway:  # fmt: skip
        cache(leeway, exact_seconds=60)
        await valkey.kill()
        async with asking(leeway) as client:
            replies = [await client.post(CHAT, json=asked()) for _ in range(2)]

    assert [told(reply) for reply in replies] == [(200, "bypass")] * 2


async def _values(valkey: ValkeyServer) -> AsyncIterator[bytes]:
    """Everything that lies on the server, names included."""
    async with Valkey.from_url(valkey.url) as client:
        for name in await client.keys("*"):
            yield name
            match await client.type(name):
                case b"string":
                    yield await client.get(name)
                case b"list":
                    for item in await client.lrange(name, 0, -1):
                        yield item
                case b"set":
                    for item in await client.smembers(name):
                        yield item
                case b"hash":
                    for item in await client.hvals(name):
                        yield item
                case _:
                    pass
