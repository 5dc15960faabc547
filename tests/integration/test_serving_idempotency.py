"""Idempotency keys over HTTP: retries of every kind, and what the upstream sees of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.serving.settings import Settings
from tests.gateway import Gateway, gateway, one_upstream
from tests.upstream import Upstream, served
from tests.valkey import a_valkey
from tests.waiting import until

CHAT = "/v1/chat/completions"
ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
KEYED = {"idempotency-key": "order-7"}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    settings = Settings(max_attempts=1, idempotency_max_reply_bytes=4096)
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), settings=settings) as running,
    ):
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(leeway) as asking:
        yield asking


def a_client(leeway: Gateway) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {leeway.key}"}
    return httpx.AsyncClient(base_url=leeway.url, headers=headers, timeout=20)


def own(answer: httpx.Response) -> list[tuple[str, str]]:
    """The headers of an answer, but those of its connection and of its replay."""
    passing = {"date", "server", "connection", "transfer-encoding", "idempotency-replayed"}
    return sorted(pair for pair in answer.headers.items() if pair[0] not in passing)


@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_and_later_retries_are_one_call_and_one_answer(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream, stream: bool
) -> None:
    body = {**ASKED, "stream": stream}

    answers = await asyncio.gather(*(client.post(CHAT, json=body, headers=KEYED) for _ in range(8)))
    answers.append(await client.post(CHAT, json=body, headers=KEYED))

    assert len(upstream.received) == 1
    assert len(leeway.interactions) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert all(own(answer) == own(answers[0]) for answer in answers)
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None", *["true"] * 8]


async def test_another_body_under_the_key_is_refused_and_costs_nothing(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    await client.post(CHAT, json=ASKED, headers=KEYED)

    refused = await client.post(CHAT, json={**ASKED, "n": 2}, headers=KEYED)

    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_key_reused"
    assert len(upstream.received) == 1
    assert len(leeway.interactions) == 1


async def test_a_key_is_of_one_path(client: httpx.AsyncClient, upstream: Upstream) -> None:
    await client.post(CHAT, json=ASKED, headers=KEYED)
    embedded = await client.post(
        "/v1/embeddings", json={"model": "gpt", "input": "hi"}, headers=KEYED
    )

    assert embedded.status_code == 200
    assert len(upstream.received) == 2


async def test_a_failure_is_asked_anew_and_a_lasting_refusal_is_not(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    for status, asked in ((503, 2), (400, 1)):
        upstream.received.clear()
        upstream.stub = {"status": status, "body": '{"error":{"message":"no"}}'}
        key = {"idempotency-key": f"of {status}"}

        answers = [await client.post(CHAT, json=ASKED, headers=key) for _ in range(2)]

        assert len({answer.content for answer in answers}) == 1
        assert (status, len(upstream.received)) == (status, asked)


async def test_a_stream_that_was_cut_is_asked_anew(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    body = {**ASKED, "stream": True}
    upstream.stub = {"cut_after": 2}
    cut = await client.post(CHAT, json=body, headers=KEYED)
    upstream.stub = {}

    whole = await client.post(CHAT, json=body, headers=KEYED)

    assert b"[DONE]" not in cut.content
    assert whole.content.endswith(b"data: [DONE]\n\n")
    assert "idempotency-replayed" not in whole.headers


async def test_what_is_refused_before_it_is_asked_is_not_kept(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    wrong = {**ASKED, "messages": []}

    answers = [await client.post(CHAT, json=wrong, headers=KEYED) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all("idempotency-replayed" not in answer.headers for answer in answers)
    assert upstream.received == []


async def test_a_client_that_leaves_lets_the_next_ask(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.stub = {"hang": True}
    leaving = asyncio.create_task(client.post(CHAT, json=ASKED, headers=KEYED))
    await upstream.asked.wait()
    leaving.cancel()
    await upstream.left.wait()
    upstream.stub = {}

    answer = await client.post(CHAT, json=ASKED, headers=KEYED)

    assert answer.status_code == 200
    assert len(upstream.received) == 2


async def test_a_reply_that_is_too_large_to_be_kept_is_asked_once(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.stub = {"text": "x" * 5000}

    first = await client.post(CHAT, json=ASKED, headers=KEYED)
    retried = await client.post(CHAT, json=ASKED, headers=KEYED)

    assert first.status_code == 200
    assert retried.status_code == 409
    assert retried.json()["error"]["code"] == "idempotency_reply_not_kept"
    assert len(upstream.received) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    refused = await client.post(CHAT, json=ASKED, headers={"idempotency-key": key})

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_idempotency_key"


async def test_without_the_state_keyed_calls_are_refused_and_others_served(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with a_valkey(tmp_path) as server, served(upstream.app()) as urls:
        settings = Settings(state_url=server.url, state_timeout_seconds=2)
        async with (
            gateway(one_upstream(urls[0]), settings=settings) as leeway,
            a_client(leeway) as client,
        ):
            before = await client.post(CHAT, json=ASKED, headers=KEYED)
            await server.kill()
            refused = await client.post(CHAT, json=ASKED, headers=KEYED)
            served_on = await client.post(CHAT, json=ASKED)
            await server.start()
            answers: list[int] = []

            async def asks_again() -> None:
                while 200 not in answers:
                    answers.append((await client.post(CHAT, json=ASKED, headers=KEYED)).status_code)

            asking = asyncio.create_task(asks_again())
            await until(asking.done, seconds=10)

    assert before.status_code == 200
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "state_unavailable"
    assert "retry-after" in refused.headers
    assert served_on.status_code == 200
    assert set(answers) <= {200, 503}
