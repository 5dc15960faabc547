"""Limits and stops over HTTP: what a refusal says, what every reply tells, and what comes back when a call ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from shared.live import hash_secret, split_key
from tests.gateway import KEY, PEPPER, Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served
from tests.waiting import until

CHAT = "/v1/chat/completions"
ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls, gateway(one_upstream(urls[0])) as running:
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with httpx.AsyncClient(base_url=leeway.url, headers=headers, timeout=20) as asking:
        yield asking


def limit_key(leeway: Gateway, **limits: int) -> None:
    """Tell the limits of the key as the registry would."""
    key_id, secret = split_key(KEY)
    body = {
        "tenant": "acme",
        "project": "default",
        "environment": "production",
        "scopes": ["serve"],
        "secret_hash": hash_secret(PEPPER, secret),
        "policy": {"limits": limits},
    }
    tell(leeway.live, "key", key_id, body)


def told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-ratelimit-")}


async def test_more_requests_than_a_limit_are_told_when_to_come_again(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    limit_key(leeway, requests_per_minute=2)

    answers = [await client.post(CHAT, json=ASKED) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    milliseconds = int(refused.headers["retry-after-ms"])
    assert 0 <= int(refused.headers["retry-after"]) * 1000 - milliseconds < 1000
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers] == ["1", "0", "0"]
    assert len(upstream.received) == 2
    assert len(leeway.interactions) == 2


async def test_a_refusal_is_told_in_the_clients_protocol(
    leeway: Gateway, client: httpx.AsyncClient
) -> None:
    limit_key(leeway, requests_per_minute=0)

    refused = await client.post("/v1/messages", json={**ASKED, "max_tokens": 8})

    assert refused.status_code == 429
    assert refused.json()["type"] == "error"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["retry-after"] == "60"


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_are_counted_as_the_provider_told_them(
    leeway: Gateway, client: httpx.AsyncClient, stream: bool
) -> None:
    limit_key(leeway, tokens_per_minute=1_000_000)

    first = await client.post(CHAT, json={**ASKED, "max_tokens": 500_000, "stream": stream})
    second = await client.post(CHAT, json={**ASKED, "max_tokens": 1})

    assert told(first.headers)["x-ratelimit-limit-tokens"] == "1000000"
    assert int(told(first.headers)["x-ratelimit-remaining-tokens"]) < 500_000
    assert int(told(second.headers)["x-ratelimit-remaining-tokens"]) >= 1_000_000 - 26 - 50


async def test_tokens_that_are_used_up_refuse_the_next(
    leeway: Gateway, client: httpx.AsyncClient
) -> None:
    limit_key(leeway, tokens_per_minute=30)

    first = await client.post(CHAT, json={**ASKED, "max_tokens": 5})
    second = await client.post(CHAT, json={**ASKED, "max_tokens": 5})

    assert first.status_code == 200
    assert second.status_code == 429
    assert second.json()["error"]["code"] == "tokens_limit"


async def test_a_place_is_free_again_when_its_client_has_left(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    limit_key(leeway, concurrent=1)
    hanging = asyncio.create_task(client.post(CHAT, json={**ASKED, "stub": {"hang": True}}))
    await upstream.asked.wait()

    refused = await client.post(CHAT, json=ASKED)
    hanging.cancel()
    await upstream.left.wait()
    await until(lambda: len(leeway.interactions) == 1)

    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "concurrency_limit"
    assert (await client.post(CHAT, json=ASKED)).status_code == 200


async def test_a_request_that_is_refused_later_has_drawn_nothing(
    leeway: Gateway, client: httpx.AsyncClient
) -> None:
    limit_key(leeway, requests_per_minute=1)
    tell(leeway.live, "model", "nowhere", {"routes": []})

    unserved = await client.post(CHAT, json={**ASKED, "model": "nowhere"})

    assert unserved.status_code >= 400
    assert (await client.post(CHAT, json=ASKED)).status_code == 200


async def test_limits_of_tenant_project_and_model_hold_too(
    leeway: Gateway, client: httpx.AsyncClient
) -> None:
    route = {"routes": [{"provider": "demo", "model": "demo"}]}
    policy = {"policy": {"limits": {"requests_per_minute": 0}}}
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("model", "demo", route),
        ("project", "acme/default", {}),
        ("tenant", "acme", {"content": "full"}),
    ]
    for entity, entity_id, body in cases:
        tell(leeway.live, entity, entity_id, {**body, **policy})
        refused = await client.post(CHAT, json={**ASKED, "model": "demo"})
        tell(leeway.live, entity, entity_id, body)

        assert refused.status_code == 429
        assert f"The {entity}" in refused.json()["error"]["message"]


async def test_what_is_stopped_is_refused_until_it_is_started(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    for stop in ("all", "tenant/acme", f"key/{split_key(KEY)[0]}", "model/gpt", "provider/stub"):
        leeway.live.stops[stop] = "incident 7"
        refused = await client.post(CHAT, json=ASKED)
        del leeway.live.stops[stop]

        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopped")
    assert upstream.received == []
    assert (await client.post(CHAT, json=ASKED)).status_code == 200
