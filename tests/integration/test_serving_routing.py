"""Routing against upstreams that hang, limit, fail, cut off and recover: what clients get and what is recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from leeway_pb.v1.interaction_pb2 import Attempt

from tests.gateway import Gateway, Wiring, gateway, tell
from tests.upstream import Upstream, served
from tests.waiting import until

CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
KEYS = {"api_keys": ["${KEY_A}", "${KEY_B}"]}
FIRST = {"provider": "first", "model": "a"}
SECOND = {"provider": "second", "model": "b"}


class Two:
    """A gateway with two upstreams, and a client."""

    def __init__(self, leeway: Gateway, http: aiohttp.ClientSession, *upstreams: Upstream) -> None:
        self.leeway = leeway
        self.first, self.second = upstreams
        self._http = http

    def route(self, *routes: Mapping[str, Any], **policy: Any) -> None:
        """Have the model `gpt` take these routes; they are tried as they are written."""
        routing = {"strategy": "priority", **policy.pop("routing", {})}
        body = {"routes": list(routes), "policy": {"routing": routing, **policy}}
        tell(self.leeway.live, "model", "gpt", body)

    def provide(self, name: str, **options: Any) -> None:
        """Give a provider other options."""
        entry = self.leeway.live.providers[name]
        body = {"kind": "openai", "base_url": entry.base_url, "options": options}
        tell(self.leeway.live, "provider", name, body)

    async def ask(self, *, headers: Mapping[str, str] | None = None, **fields: Any) -> "Answer":
        """One call, to its end."""
        url = f"{self.leeway.url}/v1/chat/completions"
        async with self._http.post(url, json={**CHAT, **fields}, headers=headers) as response:
            return Answer(response.status, response.headers, await response.read())

    @property
    def attempts(self) -> list[Attempt]:
        """Those of the last call that was recorded."""
        return list(self.leeway.interactions[-1].attempts)

    @property
    def tried(self) -> list[tuple[str, str, int]]:
        return [(one.provider, one.status, one.http_status) for one in self.attempts]


class Answer:
    """A response that has been read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    upstreams = Upstream(), Upstream()
    async with served(*(one.app() for one in upstreams)) as urls:
        providers = {
            name: {"kind": "openai", "base_url": f"{url}/v1"}
            for name, url in zip(("first", "second"), urls, strict=True)
        }
        wiring = Wiring(
            providers,
            {"gpt": {"routes": [FIRST]}},
            secrets={"KEY_A": "sk-secret-a", "KEY_B": "sk-secret-b"},
        )
        async with gateway(wiring) as leeway:
            headers = {"authorization": f"Bearer {leeway.key}"}
            async with aiohttp.ClientSession(headers=headers) as http:
                yield Two(leeway, http, *upstreams)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_only_upstream_is_asked_again_when_it_fails(two: Two, stream: bool) -> None:
    two.first.next = [{"status": 500, "body": "oops"}]

    answer = await two.ask(stream=stream)

    assert answer.status == 200
    assert two.tried == [("first", "error", 500), ("first", "ok", 200)]
    assert [one.cost_usd for one in two.attempts] == ["0", ""]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_short_retry_after_is_waited_for_and_a_long_one_is_not(
    two: Two, stream: bool
) -> None:
    two.route(FIRST, SECOND)
    two.first.next = [{"status": 429, "body": "{}", "headers": {"retry-after-ms": "20"}}]
    assert (await two.ask(stream=stream)).status == 200
    assert [one[0] for one in two.tried] == ["first", "first"]

    two.first.next = [{"status": 429, "body": "{}", "headers": {"retry-after": "30"}}]
    assert (await two.ask(stream=stream)).status == 200
    assert [one[0] for one in two.tried] == ["first", "second"]

    assert (await two.ask(stream=stream)).status == 200
    assert [one[0] for one in two.tried] == ["second"]


async def test_an_upstream_that_limits_is_left_alone_and_the_client_told_for_how_long(
    two: Two,
) -> None:
    two.first.next = [{"status": 429, "body": "{}", "headers": {"retry-after": "30"}}]

    first, second = await two.ask(), await two.ask()

    assert (first.status, first.headers["retry-after"]) == (429, "30")
    assert (second.status, second.code) == (429, "upstream_limited")
    assert 1 <= int(second.headers["retry-after"]) <= 30
    assert len(two.first.received) == 1
    assert two.attempts == []


@pytest.mark.parametrize(
    "stub",
    [
        {"status": 503, "body": "busy"},
        {"body": "<html>busy</html>", "content_type": "text/html"},
        {"cut_after": 0},
        {"error_after": 0},
    ],
)
async def test_a_stream_that_fails_before_its_first_event_is_asked_elsewhere(
    two: Two, stub: dict[str, Any]
) -> None:
    two.route(FIRST, SECOND)
    two.first.next = [stub]

    answer = await two.ask(stream=True)

    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert [one[0] for one in two.tried] == ["first", "second"]


async def test_a_key_that_is_refused_is_not_used_again(two: Two) -> None:
    two.provide("first", **KEYS)
    two.first.next = [{"status": 401, "body": "{}"}]

    for _ in range(4):
        assert (await two.ask()).status == 200

    sent = [asked.headers["authorization"] for asked in two.first.received]
    assert sent == ["Bearer sk-secret-a"] + ["Bearer sk-secret-b"] * 4
    refused, used = ([a.key for a in one.attempts] for one in two.leeway.interactions[:2])
    assert refused[1:] == used
    assert len({*refused}) == 2
    assert not any("secret" in key for key in refused)


async def test_keys_share_the_calls(two: Two) -> None:
    two.provide("first", **KEYS)

    for _ in range(6):
        await two.ask()

    sent = [asked.headers["authorization"][-1] for asked in two.first.received]
    assert sent == ["a", "b"] * 3


async def test_a_limited_key_gives_way_to_another_and_comes_back(two: Two) -> None:
    two.provide("first", **KEYS)
    two.first.next = [{"status": 429, "body": "{}", "headers": {"retry-after-ms": "1500"}}]

    assert (await two.ask()).status == 200
    assert (await two.ask()).status == 200

    sent = [asked.headers["authorization"][-1] for asked in two.first.received]
    assert sent == ["a", "b", "b"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hedge_answers_for_an_upstream_that_hangs_and_that_one_is_left(
    two: Two, stream: bool
) -> None:
    two.route(FIRST, SECOND, routing={"hedge_after_ms": 20})
    two.first.next = [{"hang": True}]

    answer = await two.ask(stream=stream)

    assert answer.status == 200
    await asyncio.wait_for(two.first.left.wait(), 5)
    told = [(one.provider, one.status, one.error_type, one.hedged) for one in two.attempts]
    assert told == [
        ("first", "cancelled", "hedge_lost", False),
        ("second", "ok", "", True),
    ]


async def test_a_client_that_leaves_takes_both_tries_of_a_hedge_along(two: Two) -> None:
    two.route(FIRST, SECOND, routing={"hedge_after_ms": 20})
    two.first.next, two.second.next = [{"hang": True}], [{"hang": True}]

    call = asyncio.create_task(two.ask())
    await asyncio.wait_for(two.second.asked.wait(), 5)
    call.cancel()

    await asyncio.wait_for(asyncio.gather(two.first.left.wait(), two.second.left.wait()), 5)
    await until(lambda: bool(two.leeway.interactions))
    assert [one.error_type for one in two.attempts] == ["client_left", "client_left"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_of_the_client_ends_the_call_and_the_upstreams_work(
    two: Two, stream: bool
) -> None:
    two.route(FIRST, SECOND)
    two.first.next = [{"hang": True}]

    answer = await two.ask(stream=stream, headers={"x-leeway-timeout-ms": "50"})

    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    await asyncio.wait_for(two.first.left.wait(), 5)
    assert [(one.provider, one.error_type) for one in two.attempts] == [
        ("first", "deadline_exceeded")
    ]


@pytest.mark.parametrize("written", ["0", "-1", "1.5", "soon", "9999999999"])
async def test_a_deadline_that_is_none_is_refused(two: Two, written: str) -> None:
    answer = await two.ask(headers={"x-leeway-timeout-ms": written})

    assert answer.status == 400
    assert two.first.received == []


async def test_a_call_never_takes_a_route_that_is_not_for_it(two: Two) -> None:
    two.route(FIRST, {**SECOND, "tags": ["region=eu"]})
    two.first.stub = {"status": 500, "body": "oops"}

    refused = await two.ask()
    assert refused.status == 500
    assert two.second.received == []

    assert (await two.ask(headers={"x-leeway-tags": "region=eu"})).status == 200
    assert [one[0] for one in two.tried][-1] == "second"

    two.route({**SECOND, "tenants": ["globex"]})
    nobodys = await two.ask()
    assert (nobodys.status, nobodys.code) == (403, "no_permitted_route")


async def test_an_upstream_that_is_full_sends_calls_elsewhere(two: Two) -> None:
    two.route(FIRST, SECOND)
    two.provide("first", max_concurrency=1)
    two.first.next = [{"hang": True}]

    hanging = asyncio.create_task(two.ask())
    await asyncio.wait_for(two.first.asked.wait(), 5)
    assert (await two.ask()).status == 200
    assert [one[0] for one in two.tried] == ["second"]

    hanging.cancel()
    await asyncio.wait_for(two.first.left.wait(), 5)
    await until(lambda: len(two.leeway.interactions) == 2)
    assert (await two.ask()).status == 200
    assert [one[0] for one in two.tried] == ["first"]


async def test_a_breaker_opens_and_closes_again_when_the_upstream_recovers(two: Two) -> None:
    two.route(FIRST, routing={"retries": 0, "patience_seconds": 0})
    two.first.stub = {"status": 500, "body": "oops"}

    failed = [(await two.ask()).status for _ in range(12)]
    assert failed == [500] * 10 + [503] * 2
    assert len(two.first.received) == 10

    two.first.stub = {}
    two.route(FIRST, routing={"patience_seconds": 60})
    recovered = await two.ask()  # waits for the breaker to let one call through

    assert recovered.status == 200
    assert (await two.ask()).status == 200


async def test_a_session_stays_with_its_upstream_and_returns_to_it(two: Two) -> None:
    two.route(FIRST, SECOND, routing={"strategy": "weighted"})
    session = {"x-leeway-session": "s-1"}

    for _ in range(5):
        await two.ask(headers=session)
    [kept] = {one.attempts[0].provider for one in two.leeway.interactions}
    upstream = two.first if kept == "first" else two.second
    upstream.next = [{"status": 429, "body": "{}", "headers": {"retry-after-ms": "1001"}}]

    await two.ask(headers=session)
    assert [one[0] for one in two.tried] == [kept, *{"first", "second"} - {kept}]
