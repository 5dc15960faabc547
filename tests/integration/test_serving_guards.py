"""Guardrails over HTTP: what leaves for the upstream, what comes to the client, and what is recorded, in each protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.score_pb2 import InteractionScored

from shared.topics import INTERACTION_COMPLETED, INTERACTION_SCORED
from tests.gateway import Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
CANARY = "canary.4f9a@example.org"


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0])
        claude = {"kind": "anthropic", "base_url": urls[0], "api_key": "${STUB}"}
        # It has no Responses of its own: they are asked of it as chats.
        model = {"routes": [{"provider": "claude", "model": "claude-sonnet-4-5"}]}
        providers = {**wiring.providers, "claude": claude}
        models = {**wiring.models, "claude": model}
        async with gateway(replace(wiring, providers=providers, models=models)) as running:
            yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with httpx.AsyncClient(base_url=leeway.url, headers=headers, timeout=20) as asking:
        yield asking


def guard(leeway: Gateway, *guardrails: Mapping[str, Any]) -> None:
    """Tell the guardrails of the tenant as the registry would."""
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"guardrails": guardrails}})


def asked(path: str, text: str, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}]
    fields: dict[str, dict[str, Any]] = {
        RESPONSES: {"input": text},
        MESSAGES: {"messages": said, "max_tokens": 64},
    }
    model = "claude" if path == RESPONSES else "gpt"
    return {"model": model, **fields.get(path, {"messages": said}), **more}


def scores(leeway: Gateway) -> list[tuple[str, str, bool, str]]:
    """What guards said, as it is recorded."""
    facts = [f for f in leeway.outbox.facts if f.topic is INTERACTION_SCORED]
    told = [InteractionScored.FromString(fact.value) for fact in facts]
    return [(one.evaluator, one.label, one.passed, one.explanation) for one in told]


def recorded(leeway: Gateway) -> InteractionCompleted:
    facts = [f for f in leeway.outbox.facts if f.topic is INTERACTION_COMPLETED]
    return InteractionCompleted.FromString(facts[-1].value)


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
async def test_what_is_redacted_never_leaves(
    path: str, leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "pii", "action": "redact"})

    answer = await client.post(path, json=asked(path, f"Write to {CANARY}."))

    assert answer.status_code == 200
    assert b"Write to [EMAIL]." in upstream.received[0].raw
    assert b"canary" not in upstream.received[0].raw
    assert "canary" not in recorded(leeway).input_text
    assert [(e, label, ok) for e, label, ok, _ in scores(leeway)] == [
        ("guard.pii.input.email", "redact", False)
    ]


@pytest.mark.parametrize(
    ("path", "kind"), [(CHAT, "error"), (MESSAGES, "error"), (RESPONSES, "error")]
)
async def test_a_blocked_request_is_refused_and_recorded_and_nobody_is_asked(
    path: str, kind: str, leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "pii", "action": "block"})

    answer = await client.post(path, json=asked(path, CANARY))

    assert answer.status_code == 400
    assert "pii (email)" in answer.json()[kind]["message"]
    assert "canary" not in answer.text
    assert upstream.received == []
    assert recorded(leeway).error_type == "guardrail_blocked"
    assert [score[:2] for score in scores(leeway)] == [("guard.pii.input.email", "block")]


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_redacted_whole_and_streamed(
    path: str, *, stream: bool, leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "pii", "action": "redact", "on": ["output"]})
    upstream.stub = {"text": f"Write to {CANARY} today."}

    answer = await client.post(path, json=asked(path, "Whom?", stream=stream))

    assert "canary" not in answer.text
    assert "example" not in answer.text
    assert "[EMAIL]" in answer.text
    assert recorded(leeway).output_text == "Write to [EMAIL] today."
    assert recorded(leeway).status == "ok"


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
async def test_a_blocked_stream_ends_with_an_error_and_leaves_its_upstream(
    path: str, leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "secrets", "action": "block", "on": ["output"]})
    upstream.stub = {"text": "The key: AKIAABCDEFGHIJKLMNOP " + "and more " * 50, "pause": 0.01}

    answer = await client.post(path, json=asked(path, "?", stream=True))

    got = answer.content
    assert b"AKIA" not in got
    assert b"guardrail" in got
    assert b"[DONE]" not in got
    assert b"message_stop" not in got
    assert b"response.completed" not in got
    async with asyncio.timeout(5):
        await upstream.left.wait()
    assert recorded(leeway).error_type == "guardrail_blocked"
    assert [score[:2] for score in scores(leeway)] == [("guard.secrets.output.secret", "block")]


@pytest.mark.parametrize(
    ("path", "ended"),
    [(CHAT, '"content_filter"'), (MESSAGES, '"refusal"'), (RESPONSES, '"content_filter"')],
)
async def test_a_blocked_answer_says_so_in_the_words_of_its_protocol(
    path: str, ended: str, leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "pii", "action": "block", "on": ["output"]})
    upstream.stub = {"text": CANARY}

    answer = await client.post(path, json=asked(path, "Whom?"))

    assert answer.status_code == 200
    assert ended in answer.text
    assert "canary" not in answer.text
    assert answer.json()["usage"]


async def test_an_answer_is_repaired_by_one_more_attempt(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    options = {"schema": {"type": "object", "required": ["city"]}, "repair": True}
    guard(leeway, {"kind": "json_schema", "action": "block", "on": ["output"], "options": options})
    upstream.next = [{"text": "It is Rome."}, {"text": '{"city": "Rome"}'}]

    answer = await client.post(CHAT, json=asked(CHAT, "Where?"))

    assert json.loads(answer.json()["choices"][0]["message"]["content"]) == {"city": "Rome"}
    assert len(upstream.received) == 2
    assert len(recorded(leeway).attempts) == 2
    assert recorded(leeway).input_tokens == 42


async def test_a_guard_that_does_not_exist_lets_no_call_through(
    leeway: Gateway, client: httpx.AsyncClient, upstream: Upstream
) -> None:
    guard(leeway, {"kind": "crystal_ball", "action": "flag"})

    answer = await client.post(CHAT, json=asked(CHAT, "hi"))

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "guardrail_misconfigured"
    assert upstream.received == []
