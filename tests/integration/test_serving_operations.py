"""What every reply is told, and what a caller is shown of the models."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.ids import is_uuid
from shared.live import hash_secret, split_key
from shared.secrets_folder import OPERATORS
from shared.server import http_app
from shared.tokens import new_token
from tests.gateway import PEPPER, READER_KEY, Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served

CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def leeway() -> AsyncIterator[Gateway]:
    async with served(Upstream().app()) as urls, gateway(one_upstream(urls[0])) as running:
        yield running


@pytest.fixture
async def http(leeway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with aiohttp.ClientSession(leeway.url, headers=headers) as session:
        yield session


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/healthz", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/nope", None),
        ("GET", "/nowhere", None),
        ("PUT", "/v1/models", None),
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/v1/chat/completions", {**CHAT, "stream": True}),
        ("POST", "/v1/chat/completions", {"model": "nope"}),
        ("POST", "/v1/images/generations", {"model": "gpt", "prompt": "x"}),
    ],
)
async def test_every_reply_has_one_id_of_ours(
    http: aiohttp.ClientSession, method: str, path: str, body: object
) -> None:
    async with http.request(method, path, json=body, headers={"x-request-id": "theirs"}) as reply:
        await reply.read()

    [told] = reply.headers.getall("x-request-id")
    assert is_uuid(told)


async def test_a_reply_that_a_crash_made_has_an_id() -> None:
    async def crash(_: Request) -> Response:
        raise RuntimeError("on purpose")

    app = http_app([Route("/crash", crash)], lambda: True)
    async with (
        served(app) as urls,
        aiohttp.ClientSession() as session,
        session.get(f"{urls[0]}/crash") as reply,
    ):
        assert reply.status == 500
        assert is_uuid(reply.headers["x-request-id"])


@pytest.mark.parametrize(
    ("given", "kept"), [("req-7:a.b_c", "req-7:a.b_c"), ("a b", ""), ("x" * 129, "")]
)
async def test_a_clients_own_id_is_a_tag_if_it_is_nothing_but_an_id(
    http: aiohttp.ClientSession, leeway: Gateway, given: str, kept: str
) -> None:
    headers = {"x-client-request-id": given}
    async with http.post("/v1/chat/completions", json=CHAT, headers=headers) as reply:
        await reply.read()

    assert leeway.interactions[0].tags.get("client_request_id", "") == kept


async def test_only_the_models_that_a_caller_may_ask_are_listed(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    others = {"routes": [{"provider": "stub", "model": "m", "tenants": ["globex"]}]}
    tell(leeway.live, "model", "theirs", others)
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"models": ["g*", "th*"]}})

    async with http.get("/v1/models") as reply:
        listed = await reply.json()
    async with http.get("/v1/models/demo") as barred:
        pass
    async with http.get("/v1/models/theirs") as foreign:
        pass

    assert [model["id"] for model in listed["data"]] == ["gpt"]
    assert "image" in listed["data"][0]["capabilities"]["kinds"]
    assert (barred.status, foreign.status) == (404, 404)


OPERATOR_KEY = new_token("production")


def an_operator(leeway: Gateway) -> dict[str, str]:
    """The headers of an operator's key."""
    key_id, secret = split_key(OPERATOR_KEY)
    body = {
        "tenant": OPERATORS,
        "project": "default",
        "environment": "production",
        "scopes": ["admin"],
        "secret_hash": hash_secret(PEPPER, secret),
    }
    tell(leeway.live, "key", key_id, body)
    return {"authorization": f"Bearer {OPERATOR_KEY}"}


async def get(leeway: Gateway, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    async with aiohttp.request("GET", f"{leeway.url}{path}", headers=headers) as reply:
        return reply.status, await reply.json()


async def test_health_tells_a_word_to_everybody_and_details_to_who_may_read(
    leeway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.post("/v1/chat/completions", json=CHAT) as reply:
        await reply.read()

    anybody = await get(leeway, "/v1/health", {})
    reader = await get(leeway, "/v1/health", {"x-api-key": READER_KEY})
    caller = await get(leeway, "/v1/health", {"x-api-key": leeway.key})
    operator = await get(leeway, "/v1/health", an_operator(leeway))

    assert anybody == (200, {"object": "health", "status": "ok"})
    assert reader[1]["upstreams"] == {"closed": 1, "open": 0, "half_open": 0}
    assert (reader[1]["state"], reader[1]["registry"]["models"]) == ("reached", 2)
    assert caller[0] == 403
    assert operator[1]["stopped"] == []
    assert "stopped" not in reader[1]
    assert "sk-stub-secret" not in str(operator)


ADMINS = (
    ("GET", "/v1/serving/upstreams"),
    ("DELETE", "/v1/serving/cache?tenant=acme"),
    ("POST", "/v1/serving/reload"),
)


@pytest.mark.parametrize(("method", "path"), ADMINS)
async def test_operations_are_for_operators_alone(leeway: Gateway, method: str, path: str) -> None:
    token = new_token("production")
    key_id, secret = split_key(token)
    of_acme = {
        "tenant": "acme",
        "project": "default",
        "environment": "production",
        "scopes": ["admin", "read", "serve"],
        "secret_hash": hash_secret(PEPPER, secret),
    }
    tell(leeway.live, "key", key_id, of_acme)

    found = []
    for headers in ({}, {"x-api-key": READER_KEY}, {"x-api-key": token}):
        async with aiohttp.request(method, f"{leeway.url}{path}", headers=headers) as reply:
            found.append(reply.status)

    assert found == [401, 403, 403]


async def test_an_operator_sees_upstreams_and_forgets_answers(
    leeway: Gateway, http: aiohttp.ClientSession
) -> None:
    kept = {"cache": {"exact_seconds": 60}}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": kept})
    async with http.post("/v1/chat/completions", json=CHAT) as reply:
        await reply.read()
    operator = an_operator(leeway)

    _, seen = await get(leeway, "/v1/serving/upstreams", operator)
    url = f"{leeway.url}/v1/serving/cache"
    async with aiohttp.request("DELETE", f"{url}?tenant=acme", headers=operator) as reply:
        forgotten = await reply.json()
    async with aiohttp.request("DELETE", f"{url}?tenant=nobody", headers=operator) as reply:
        unknown = reply.status
    async with aiohttp.request(
        "POST", f"{leeway.url}/v1/serving/reload", headers=operator
    ) as reply:
        alone = await reply.json()

    assert [(one["provider"], one["model"], one["breaker"]) for one in seen["data"]] == [
        ("stub", "gpt-4o-mini", "closed")
    ]
    assert forgotten == {"object": "cache", "forgotten": 1}
    assert unknown == 400
    assert alone["error"]["code"] == "no_supervisor"
