"""Prompts over HTTP: what is asked of the upstream, and what is recorded."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from services.serving.settings import Settings
from tests.gateway import Gateway, gateway, one_upstream
from tests.upstream import Upstream, served

SUPPORT = """\
name: support-agent
tenants: [acme]
labels: {production: 1, staging: 2}
versions:
  1:
    model: gpt
    messages: [{role: system, content: "You help the customers of {{company}}."}]
    parameters: {temperature: 0.2, max_tokens: 50}
  2:
    model: gone
    messages: [{role: system, content: Hello.}]
"""
VARIABLES = {"variables": {"company": "{{company}} & Sons"}}
SYSTEM = "You help the customers of {{company}} & Sons."


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "support.yaml").write_text(SUPPORT)
    settings = Settings(prompts=tmp_path)
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(served(upstream.app()))
        wiring = one_upstream(urls[0])
        # A kind that has chats alone: what is asked in other protocols is asked of it as one.
        stub = {**wiring.providers["stub"], "kind": "compatible"}
        yield await stack.enter_async_context(
            gateway(replace(wiring, providers={"stub": stub}), settings=settings)
        )


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with httpx.AsyncClient(base_url=leeway.url, headers=headers, timeout=20) as asking:
        yield asking


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Where is it?"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Where is it?"}]}),
        ("/v1/responses", {"input": "Where is it?"}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        {"model": "prompt:support-agent@production", "prompt": VARIABLES},
        {"prompt": {"id": "support-agent", "version": "1", **VARIABLES}},
    ],
    ids=["model", "object"],
)
async def test_a_prompt_is_asked_by_every_protocol(
    upstream: Upstream,
    leeway: Gateway,
    client: httpx.AsyncClient,
    path: str,
    own: dict[str, Any],
    name: dict[str, Any],
    stream: bool,
) -> None:
    reply = await client.post(path, json={**own, **name, "stream": stream})

    assert reply.status_code == 200, reply.text
    (sent,) = upstream.received
    assert [message["content"] for message in sent.body["messages"]] == [SYSTEM, "Where is it?"]
    assert sent.body["temperature"] == 0.2
    assert 50 in (sent.body.get("max_tokens"), sent.body.get("max_completion_tokens"))
    assert "prompt" not in sent.body
    (recorded,) = leeway.interactions
    assert (recorded.prompt_name, recorded.prompt_version) == ("support-agent", "1")
    assert recorded.request_model == "gpt"
    assert recorded.status == "ok"


async def test_openais_client_names_one_as_its_model(leeway: Gateway, upstream: Upstream) -> None:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key) as client:
        answer = await client.chat.completions.create(
            model="prompt:support-agent", messages=[], extra_body={"prompt": VARIABLES}
        )

    assert answer.choices[0].message.content == "Leeway passes every byte."
    assert upstream.received[0].body["messages"] == [{"role": "system", "content": SYSTEM}]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "prompt:other"}, 404, "prompt_not_found"),
        ({"model": "prompt:support-agent@canary"}, 404, "prompt_label_not_found"),
        ({"model": "prompt:support-agent@7"}, 404, "prompt_version_not_found"),
        ({"model": "prompt:support-agent"}, 400, "invalid_request"),
        ({"model": "prompt:support-agent@staging"}, 404, "model_not_found"),
        ({"prompt": {"id": ""}}, 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_written_out_is_refused_and_nothing_asked(
    upstream: Upstream,
    leeway: Gateway,
    client: httpx.AsyncClient,
    body: dict[str, Any],
    status: int,
    code: str,
) -> None:
    said = {"messages": [{"role": "user", "content": "Where is it?"}]}

    reply = await client.post("/v1/chat/completions", json={**said, **body})

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert upstream.received == []
    assert leeway.outbox.opened == {}
