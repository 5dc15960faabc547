"""Files and batches over sockets: sealed to their tenant, worded for their provider, metered once when they are read."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from shared.live import hash_secret, split_key
from shared.tokens import new_token
from tests.gateway import PEPPER, Gateway, gateway, one_upstream, tell
from tests.passing import BATCH_USAGE, Store
from tests.upstream import served

THEIR_KEY = new_token("production")


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
async def leeway(store: Store) -> AsyncIterator[Gateway]:
    async with served(store.app()) as urls, gateway(one_upstream(urls[0])) as running:
        key_id, secret = split_key(THEIR_KEY)
        body = {
            "tenant": "globex",
            "project": "default",
            "environment": "production",
            "scopes": ["serve"],
            "secret_hash": hash_secret(PEPPER, secret),
        }
        tell(running.live, "tenant", "globex", {"content": "full"})
        tell(running.live, "key", key_id, body)
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


@pytest.fixture
async def theirs(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=THEIR_KEY, max_retries=0) as made:
        yield made


def a_line(number: int, content: str = "Hi", model: str = "gpt") -> dict[str, Any]:
    said = [{"role": "user", "content": content}]
    body = {"model": model, "messages": said, "unheard_of": [1]}
    url = "/v1/chat/completions"
    return {"custom_id": f"c{number}", "method": "POST", "url": url, "body": body}


def written(*lines: dict[str, Any]) -> tuple[str, bytes]:
    return "lines.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def a_batch(client: AsyncOpenAI) -> Any:
    file = await client.files.create(file=written(a_line(1), a_line(2)), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def answers(*statuses: int) -> list[dict[str, Any]]:
    body = {"model": "gpt-4o-mini-2026", "usage": BATCH_USAGE}
    return [
        {
            "id": f"batch_req_{place}",
            "custom_id": f"c{place}",
            "response": {"status_code": status, "body": body if status == 200 else {}},
        }
        for place, status in enumerate(statuses)
    ]


async def test_a_batch_is_asked_and_its_answers_recorded_once(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    batch = await a_batch(client)
    assert (await client.batches.retrieve(batch.id)).status == "validating"
    store.finish("batch_1", answers(200, 429))
    done = await client.batches.retrieve(batch.id)
    assert done.output_file_id

    first = await client.files.content(done.output_file_id)
    again = await client.files.content(done.output_file_id)

    sent = [json.loads(line) for line in store.contents["file-1"].splitlines()]
    assert [line["body"]["model"] for line in sent] == ["gpt-4o-mini"] * 2
    assert sent[0]["body"]["unheard_of"] == [1]
    assert store.batches["batch_1"]["input_file_id"] == "file-1"
    assert first.content == again.content == store.contents["file-2"]
    recorded = {one.interaction_id: one for one in leeway.interactions}
    assert sorted((one.kind, one.status, one.request_model) for one in recorded.values()) == [
        ("chat", "error", "gpt"),
        ("chat", "ok", "gpt"),
    ]
    answered = next(one for one in recorded.values() if one.status == "ok")
    assert (answered.service_tier, answered.input_tokens, answered.tenant) == ("batch", 22, "acme")


async def test_what_is_held_is_told_cancelled_and_deleted(
    client: AsyncOpenAI, store: Store
) -> None:
    batch = await a_batch(client)

    cancelled = await client.batches.cancel(batch.id)
    file = await client.files.retrieve(batch.input_file_id)
    deleted = await client.files.delete(file.id)

    assert cancelled.status == "cancelling"
    assert (file.id, deleted.id) == (batch.input_file_id, batch.input_file_id)
    assert deleted.deleted
    assert store.files == {}


async def test_no_tenant_reaches_what_is_anothers(
    client: AsyncOpenAI, theirs: AsyncOpenAI, store: Store
) -> None:
    batch = await a_batch(client)
    came = len(store.came)

    for asking in (
        theirs.batches.retrieve(batch.id),
        theirs.batches.cancel(batch.id),
        theirs.files.retrieve(batch.input_file_id),
        theirs.files.content(batch.input_file_id),
        theirs.files.delete(batch.input_file_id),
        theirs.batches.create(
            input_file_id=batch.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
    ):
        with pytest.raises(openai.NotFoundError):
            await asking

    assert len(store.came) == came


@pytest.mark.parametrize(
    "given",
    [
        "file-1",
        "file-lw_",
        "file-lw_AAAA",
        "..%2F..%2Fadmin",
        "file-lw_..%2Fbatches",
        "http:%2F%2F169.254.169.254",
        "file-lw_" + "A" * 5_000,
        "batch_lw_AAAA",
        "%00",
    ],
)
async def test_an_id_that_was_not_given_out_asks_nobody(
    leeway: Gateway, store: Store, given: str
) -> None:
    headers = {"authorization": f"Bearer {leeway.key}"}
    for path in (f"/v1/files/{given}", f"/v1/files/{given}/content", f"/v1/batches/{given}"):
        async with aiohttp.request("GET", f"{leeway.url}{path}", headers=headers) as reply:
            assert reply.status == 404

    assert store.came == []


async def test_an_id_is_no_other_things_id_and_no_changed_one(
    client: AsyncOpenAI, store: Store
) -> None:
    batch = await a_batch(client)
    came = len(store.came)
    sealed = batch.id.removeprefix("batch_lw_")

    for wrong in (f"file-lw_{sealed}", f"batch_lw_{sealed[:-2]}AA", f"batch_lw_{sealed}A"):
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve(wrong)
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(wrong)

    assert len(store.came) == came


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "invalid_batch"),
        ((a_line(1), a_line(2, model="demo")), "invalid_batch"),
        ((a_line(1), {**a_line(2), "url": "/v1/files"}), "invalid_batch"),
        ((a_line(1), {**a_line(2), "url": "http://169.254.169.254/"}), "invalid_batch"),
        (({**a_line(1), "body": {**a_line(1)["body"], "stream": True}},), "invalid_batch"),
        ((a_line(1, model="nope"),), "model_not_found"),
        ((a_line(1, model="demo"),), "unsupported_operation"),
    ],
)
async def test_a_wrong_line_refuses_its_file(
    client: AsyncOpenAI, store: Store, lines: tuple[dict[str, Any], ...], code: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        await client.files.create(file=written(*lines), purpose="batch")

    assert refused.value.code == code
    assert store.came == []


async def test_each_line_passes_the_guards(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    guard = {"kind": "pii", "action": "redact", "on": ["input"]}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"guardrails": [guard]}})

    lines = written(a_line(1), a_line(2, content="I am ann@example.org"))
    await client.files.create(file=lines, purpose="batch")

    assert b"ann@example.org" not in store.contents["file-1"]
    assert store.contents["file-1"].count(b"\n") == 2


async def test_guards_on_answers_are_not_passed_by_in_a_batch(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    guard = {"kind": "pii", "action": "redact", "on": ["output"]}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"guardrails": [guard]}})

    with pytest.raises(openai.BadRequestError) as refused:
        await client.files.create(file=written(a_line(1)), purpose="batch")

    assert refused.value.code == "unsupported_operation"
    assert store.came == []


async def test_a_file_for_anything_else_is_refused(client: AsyncOpenAI, store: Store) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.files.create(file=("a.txt", b"x"), purpose="assistants")

    assert store.came == []


async def test_what_is_stopped_reaches_no_held_thing(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    batch = await a_batch(client)
    came = len(store.came)
    tell(leeway.live, "stop", "tenant/acme", {"reason": "a test"})

    for asking in (
        client.files.create(file=written(a_line(1)), purpose="batch"),
        client.batches.create(
            input_file_id=batch.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
        client.batches.retrieve(batch.id),
        client.batches.cancel(batch.id),
        client.files.retrieve(batch.input_file_id),
        client.files.content(batch.input_file_id),
        client.files.delete(batch.input_file_id),
    ):
        with pytest.raises(openai.InternalServerError) as refused:
            await asking
        assert refused.value.code == "stopped"

    assert len(store.came) == came
