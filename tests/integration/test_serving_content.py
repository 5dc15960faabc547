"""What the gateway stores of a call under each content policy, to the byte, open calls included."""

import json
from typing import Any

import aiohttp
import pytest

from shared.log.record import OpenCall
from tests.fakes import FakeOutbox
from tests.gateway import Gateway, gateway, one_upstream
from tests.upstream import Upstream, served

CANARY = "the canary sings"
MAIL = "canary@example.org"
SAID = f"{CANARY} to {MAIL}"
CHAT: dict[str, Any] = {
    "model": "gpt",
    "messages": [
        {"role": "system", "content": SAID},
        {"role": "user", "content": [{"type": "text", "text": SAID}]},
    ],
    "temperature": 0.5,
    "user": SAID,
    "stop": [SAID],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"description": SAID}},
    "metadata": {"topic": SAID, "user_id": MAIL, "leeway_note": SAID},
}
TOOLS = [{"type": "function", "function": {"name": "f", "description": SAID, "parameters": {}}}]
HEADERS = {"x-leeway-tags": f"team={CANARY}", "x-leeway-session": MAIL}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


class KeepingOutbox(FakeOutbox):
    """Keeps every byte that it was ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    async def open(self, call: OpenCall) -> None:
        self.written.append(call.value)
        await super().open(call)

    @property
    def everything(self) -> bytes:
        return b"\n".join([*self.written, *(fact.value for fact in self.facts)])


async def ask(leeway: Gateway, path: str = "chat/completions", **fields: Any) -> int:
    headers = {"authorization": f"Bearer {leeway.key}", **HEADERS}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{leeway.url}/v1/{path}", json=fields) as response,
    ):
        await response.read()
        return response.status


async def stored_under(upstream: Upstream, policy: str) -> KeepingOutbox:
    """Everything that is written for a whole answer, a stream, tools, a refusal and an embedding."""
    outbox = KeepingOutbox()
    refusal = {"status": 400, "body": json.dumps({"error": {"message": SAID}})}
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0])
        wiring.content = policy
        async with gateway(wiring, outbox) as leeway:
            said = {"text": SAID}
            assert await ask(leeway, **CHAT, stub=said) == 200
            assert await ask(leeway, **CHAT, stub=said, stream=True) == 200
            assert await ask(leeway, **CHAT, tools=TOOLS) == 200
            assert await ask(leeway, **CHAT, stub=refusal) == 400
            assert await ask(leeway, "embeddings", model="gpt", input=[SAID], user=SAID) == 200
    return outbox


async def test_everything_is_stored_under_full(upstream: Upstream) -> None:
    outbox = await stored_under(upstream, "full")

    assert all(CANARY.encode() in fact.value for fact in outbox.facts)
    assert (len(outbox.facts), len(outbox.written)) == (5, 5)


@pytest.mark.parametrize("policy", ["none", "hash", "a policy of tomorrow"])
async def test_no_text_is_stored_where_none_may_be(upstream: Upstream, policy: str) -> None:
    outbox = await stored_under(upstream, policy)

    assert b"canary" not in outbox.everything
    assert b"sings" not in outbox.everything


async def test_no_personal_data_is_stored_where_it_is_redacted(upstream: Upstream) -> None:
    outbox = await stored_under(upstream, "redacted")

    assert b"example.org" not in outbox.everything
    assert all(CANARY.encode() in fact.value for fact in outbox.facts)


async def test_a_tenant_whose_fact_has_not_come_stores_no_text(upstream: Upstream) -> None:
    outbox = KeepingOutbox()
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), outbox) as leeway,
    ):
        leeway.live.content_policies.clear()
        assert await ask(leeway, **CHAT) == 200

        [stored] = leeway.interactions
    assert b"canary" not in outbox.everything
    assert (stored.content_policy, stored.input_tokens) == ("none", 21)
