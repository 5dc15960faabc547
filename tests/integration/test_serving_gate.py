"""Every route that can reach an upstream passes the one gate: this names them all, and a new one fails until it is named."""

from typing import Any

import aiohttp
import pytest
from starlette.routing import Route

from tests.gateway import Gateway, Wiring, gateway, tell
from tests.upstream import Upstream, served

CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}
ASKING: dict[str, Any] = {
    "POST /v1/chat/completions": CHAT,
    "POST /v1/completions": {"model": "gpt", "prompt": "Hi"},
    "POST /v1/responses": {"model": "gpt", "input": "Hi"},
    "POST /v1/messages": {**CHAT, "max_tokens": 8},
    "POST /v1/messages/count_tokens": CHAT,
    "POST /v1/embeddings": {"model": "gpt", "input": "Hi"},
    "POST /v1/images/generations": {"model": "gpt", "prompt": "x"},
    "POST /v1/images/edits": {"model": "gpt", "prompt": "x"},
    "POST /v1/images/variations": {"model": "gpt"},
    "POST /v1/audio/speech": {"model": "gpt", "input": "x", "voice": "alloy"},
    "POST /v1/audio/transcriptions": {"model": "gpt"},
    "POST /v1/audio/translations": {"model": "gpt"},
    "POST /v1/moderations": {"model": "gpt", "input": "x"},
}
# Held to the gate one by one in test_serving_batches.py: their requests name what was held before.
HELD = {
    "POST /v1/files",
    "GET /v1/files/{id}",
    "DELETE /v1/files/{id}",
    "GET /v1/files/{id}/content",
    "POST /v1/batches",
    "GET /v1/batches/{id}",
    "POST /v1/batches/{id}/cancel",
}
ANSWERED_HERE = {
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /v1/health",
    "GET /v1/serving/upstreams",
    "DELETE /v1/serving/cache",
    "POST /v1/serving/reload",
}


def one_model(url: str) -> Wiring:
    """`gpt` at an upstream, and `barred` there too."""
    upstream = {"kind": "openai", "base_url": f"{url}/v1"}
    routes = {"routes": [{"provider": "stub", "model": "m"}]}
    return Wiring(providers={"stub": upstream}, models={"gpt": routes, "barred": routes})


async def asked(leeway: Gateway, route: str, **changes: Any) -> tuple[int, Any]:
    """The status and the code of a route's refusal."""
    method, path = route.split()
    headers = {"authorization": f"Bearer {leeway.key}"}
    body = {**ASKING[route], **changes}
    url = f"{leeway.url}{path}"
    async with aiohttp.request(method, url, headers=headers, json=body) as reply:
        told = await reply.json()
    return reply.status, told["error"].get("code")


async def test_every_route_asks_through_the_gate_or_answers_by_itself() -> None:
    async with gateway(one_model("http://127.0.0.1:1")) as leeway:
        mounted = {
            f"{method} {route.path_format}"
            for route in leeway.app.routes
            if isinstance(route, Route)
            for method in (route.methods or set()) - {"HEAD"}
        }

    assert mounted == ASKING.keys() | HELD | ANSWERED_HERE


@pytest.mark.parametrize("route", ASKING)
async def test_every_control_of_the_gate_holds_for_a_route(route: str) -> None:
    upstream = Upstream()
    async with served(upstream.app()) as urls, gateway(one_model(urls[0])) as leeway:
        tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"models": ["gpt"]}})
        barred = await asked(leeway, route, model="barred")
        none = {"limits": {"requests_per_minute": 0}}
        tell(leeway.live, "tenant", "acme", {"content": "full", "policy": none})
        limited = await asked(leeway, route)
        tell(leeway.live, "tenant", "acme", {"content": "full"})
        tell(leeway.live, "stop", "all", {"reason": "a test"})
        stopped = await asked(leeway, route)

    assert barred == (403, "model_not_allowed")
    assert limited == (429, "rate_limit_exceeded")
    assert stopped == (503, "stopped")
    assert upstream.received == []
    assert leeway.interactions == []
