"""Providers and processes that are not as they should be, and bytes that must stay as they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from starlette.routing import Route
from starlette.types import Message

from tests.gateway import KEY, Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served

CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls, gateway(one_upstream(urls[0])) as running:
        yield running


async def ask(leeway: Gateway, **fields: Any) -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    url = f"{leeway.url}/v1/chat/completions"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json={**CHAT, **fields}) as response,
    ):
        return response.status, await response.read()


async def test_a_stream_passes_byte_for_byte(leeway: Gateway, upstream: Upstream) -> None:
    events = [
        ": keep-alive\n\n",
        'data:{"choices" :[{"delta":{"content":"\\u00e9"}, "logprobs":1.50}]}\r\n\r\n',
        'id: 7\nevent: chunk\ndata: {"choices": [],\ndata: "x": 123456789012345678901234567890}\n\n',
        'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n',
        "data: [DONE]\n\n",
    ]
    upstream.stub = {"raw_events": events}

    assert await ask(leeway, stream=True) == (200, "".join(events).encode())
    assert leeway.interactions[0].usage_json == '{"prompt_tokens":1}'


async def test_a_request_passes_byte_for_byte_but_for_its_model(
    leeway: Gateway, upstream: Upstream
) -> None:
    raw = b'{"new":[1.0, 2e5,123456789012345678901234567890],"model" : "gpt","messages":[{"role":"user", "x":"\\/"}]}'
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        await http.post(f"{leeway.url}/v1/chat/completions", data=raw)

    assert upstream.received[0].raw == (
        b'{"new":[1.0, 2e5,123456789012345678901234567890],"model":"gpt-4o-mini",'
        b'"messages":[{"role":"user", "x":"\\/"}]}'
    )


async def test_a_server_that_refuses_stream_options_is_not_sent_any(
    upstream: Upstream,
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0], stream_usage=False, headers={"X-Team": "a"})) as leeway,
    ):
        await ask(leeway, stream=True)

        assert "stream_options" not in upstream.received[0].body
        assert upstream.received[0].headers["x-team"] == "a"
        # Nobody told the usage: the deltas are counted, and nothing raw pretends to be it.
        assert (leeway.interactions[0].output_tokens, leeway.interactions[0].usage_json) == (5, "")


@pytest.mark.parametrize(
    "stub",
    [
        {"status": 400, "body": '{"error": {"message": "no sk-other, no sk-stub-secret"}}'},
        {"body": '{"error": {"message": "no sk-other, no sk-stub-secret"}}'},
    ],
)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_header_that_is_a_reference_is_sent_as_its_secret_and_never_told(
    upstream: Upstream, kind: str, stub: dict[str, Any]
) -> None:
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0], headers={"X-Team-Key": "${OTHER}", "x-plain": "a"})
        wiring.secrets = {**wiring.secrets, "OTHER": "sk-other"}
        wiring.providers = {"stub": {**wiring.providers["stub"], "kind": kind}}
        async with gateway(wiring) as leeway:
            await ask(leeway)
            upstream.stub = stub
            _, body = await ask(leeway)

    assert upstream.received[0].headers["x-team-key"] == "sk-other"
    assert upstream.received[0].headers["x-plain"] == "a"
    assert b"sk-" not in body


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ({"kind": "telepathy"}, "unknown kind"),
        ({"kind": "openai", "base_url": "http://127.0.0.1:1", "api_key": "${GONE}"}, "${GONE}"),
        ({"kind": "openai", "options": {"headers": {"authorization": "${GONE}"}}}, "${GONE}"),
    ],
)
async def test_a_provider_that_is_misconfigured_is_a_503_that_says_how(
    leeway: Gateway, provider: dict[str, Any], said: str
) -> None:
    tell(leeway.live, "provider", "stub", provider)

    status, body = await ask(leeway)

    assert (status, json.loads(body)["error"]["code"]) == (503, "provider_misconfigured")
    assert said in json.loads(body)["error"]["message"]


async def test_a_change_of_a_provider_holds_from_the_next_call(
    leeway: Gateway, upstream: Upstream
) -> None:
    assert (await ask(leeway))[0] == 200
    base_url = leeway.live.providers["stub"].base_url
    tell(leeway.live, "provider", "stub", {"kind": "openai", "base_url": base_url})

    assert (await ask(leeway))[0] == 200
    assert ["authorization" in asked.headers for asked in upstream.received] == [True, False]


async def test_a_model_whose_provider_is_gone_is_a_503_and_one_without_routes_too(
    leeway: Gateway,
) -> None:
    tell(leeway.live, "model", "gpt", {"routes": [{"provider": "gone", "model": "x"}]})
    gone, _ = await ask(leeway)
    drained = [
        {"provider": "stub", "model": "a", "weight": 0},
        {"provider": "stub", "model": "b", "weight": 0},
    ]
    tell(leeway.live, "model", "gpt", {"routes": drained})
    empty, _ = await ask(leeway)

    assert (gone, empty) == (503, 503)


async def test_a_process_that_cannot_wait_records_what_it_had(
    leeway: Gateway, upstream: Upstream
) -> None:
    sent = [{"type": "http.request", "body": json.dumps({**CHAT, "stub": {"hang": True}}).encode()}]
    waiting = asyncio.Event()

    async def receive() -> Message:
        if sent:
            return sent.pop()
        await waiting.wait()
        raise AssertionError("nobody leaves")

    async def send(message: Message) -> None:
        raise AssertionError(f"nobody is told: {message}")

    route = leeway.app.routes[0]
    assert isinstance(route, Route)
    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    call = asyncio.ensure_future(route.app({"type": "http", "headers": headers}, receive, send))
    await upstream.asked.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("interrupted", "shutdown")
    assert leeway.outbox.opened == {}
