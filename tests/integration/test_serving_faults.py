"""What an upstream does wrong, and what a client and the record are told of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from services.serving.settings import Settings
from tests.fakes import FakeOutbox
from tests.gateway import Gateway, Wiring, gateway, one_upstream
from tests.upstream import Upstream, dropping, served

SAID = [{"role": "user", "content": "hi"}]
IMPATIENT = Settings(upstream_idle_seconds=0.2)


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), settings=IMPATIENT) as running,
    ):
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Reply:
    """A response, read whole."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def error(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)["error"]
        return told


async def ask(http: aiohttp.ClientSession, leeway: Gateway, **fields: Any) -> Reply:
    body = {"model": "gpt", "messages": SAID, **fields}
    headers = {"authorization": f"Bearer {leeway.key}"}
    url = f"{leeway.url}/v1/chat/completions"
    async with http.post(url, json=body, headers=headers) as response:
        return Reply(response, await response.read())


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstreams_refusal_passes_through_with_its_body(
    http: aiohttp.ClientSession, leeway: Gateway, stream: bool
) -> None:
    body = '{"error": {"message": "slow down", "code": "rate_limit_exceeded", "extra": 1.0}}'
    stub = {"status": 429, "body": body, "headers": {"retry-after": "7", "set-cookie": "a=b"}}

    reply = await ask(http, leeway, stub=stub, stream=stream)

    assert (reply.status, reply.body.decode()) == (429, body)
    assert reply.headers["retry-after"] == "7"
    assert "set-cookie" not in reply.headers
    [stored] = leeway.interactions
    assert reply.headers["x-leeway-interaction-id"] == stored.interaction_id
    error_type = "upstream_refused:rate_limit_exceeded"
    assert (stored.status, stored.http_status, stored.error_type) == ("error", 429, error_type)
    assert stored.error_message == "slow down"
    assert [(a.status, a.http_status, a.error_type) for a in stored.attempts] == [
        ("error", 429, error_type)
    ]
    assert leeway.outbox.opened == {}


async def test_a_refusal_never_repeats_the_providers_key(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    stub = {"status": 400, "body": '{"error": {"message": "bad key sk-stub-secret"}}'}

    reply = await ask(http, leeway, stub=stub)

    assert (reply.status, reply.error["message"]) == (400, "bad key ***")
    assert leeway.interactions[0].error_message == "bad key ***"


async def test_what_an_upstream_says_is_a_text_under_the_content_policy(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with served(upstream.app()) as urls:
        wiring = replace(one_upstream(urls[0]), content="none")
        async with gateway(wiring) as leeway:
            stub = {"status": 400, "body": '{"error": {"message": "no to Ann", "type": "filter"}}'}
            await ask(http, leeway, stub=stub)

            [stored] = leeway.interactions
            assert (stored.error_type, stored.error_message) == ("upstream_refused:filter", "")


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_a_provider_that_does_not_let_us_in_is_not_taken_for_a_client_without_a_key(
    http: aiohttp.ClientSession, leeway: Gateway, status: int
) -> None:
    body = '{"error": {"message": "org-17 is out of credit", "code": "no_credit"}}'
    stub = {"status": status, "body": body}

    reply = await ask(http, leeway, stub=stub)

    assert (reply.status, reply.error["code"]) == (502, "upstream_denied")
    assert "org-17" not in reply.error["message"]
    [stored] = leeway.interactions
    assert (stored.http_status, stored.error_type) == (502, "upstream_denied:no_credit")
    assert "org-17" not in stored.error_message


@pytest.mark.parametrize(
    ("stub", "said"),
    [
        ({"body": "<html>busy</html>", "content_type": "text/html"}, "what is no JSON"),
        ({"body": ""}, "an empty body"),
        ({"body": '{"choices": ['}, "what is no JSON"),
        ({"body": "[1]"}, "JSON that is no object"),
        ({"body": '{"choices": []}'}, "without 'choices'"),
        ({"body": "\xff\xfe"}, "what is no JSON"),
        ({"status": 204, "body": ""}, "status 204"),
        ({"status": 302, "headers": {"location": "http://127.0.0.1:1/"}}, "status 302"),
    ],
)
async def test_a_reply_that_is_none_is_a_502(
    http: aiohttp.ClientSession, leeway: Gateway, stub: dict[str, Any], said: str
) -> None:
    reply = await ask(http, leeway, stub=stub)

    assert (reply.status, reply.error["code"]) == (502, "upstream_malformed")
    assert said in reply.error["message"]
    assert [stored.status for stored in leeway.interactions] == ["error"]


async def test_a_reply_that_is_too_large_is_a_502(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), settings=Settings(max_reply_bytes=1024)) as leeway,
    ):
        reply = await ask(http, leeway, stub={"text": "x" * 2000})

        assert (reply.status, reply.error["code"]) == (502, "upstream_malformed")
        assert "more than 1024 bytes" in reply.error["message"]


async def test_an_event_that_is_too_large_cuts_the_stream(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), settings=Settings(max_event_bytes=1024)) as leeway,
    ):
        small = 'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
        stub = {"raw_events": [small, *["data: " + "x" * 2000] * 3], "pause": 0.01}
        reply = await ask(http, leeway, stub=stub, stream=True)

        assert reply.body.startswith(small.encode())
        assert b"too large" in reply.body
        assert leeway.interactions[0].status == "interrupted"


async def test_an_error_inside_a_200_is_a_502_with_the_upstreams_words(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    body = '{"error": {"message": "model is loading"}}'
    first_event = [f"data: {body}\n\n", "data: [DONE]\n\n"]

    whole = await ask(http, leeway, stub={"body": body})
    stream = await ask(http, leeway, stub={"raw_events": first_event}, stream=True)

    assert (whole.status, whole.error["message"]) == (502, "model is loading")
    assert (stream.status, stream.error["message"]) == (502, "model is loading")


async def test_an_html_page_with_an_error_status_becomes_an_error_of_that_status(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    stub = {"status": 503, "body": "<html>", "content_type": "text/html"}

    reply = await ask(http, leeway, stub=stub)

    assert (reply.status, reply.error["code"]) == (503, "upstream_refused")
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_that_hangs_is_a_504_and_is_let_go(
    http: aiohttp.ClientSession, leeway: Gateway, upstream: Upstream, stream: bool
) -> None:
    reply = await ask(http, leeway, stub={"hang": True}, stream=stream)

    assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
    await asyncio.wait_for(upstream.left.wait(), 5)
    assert [stored.error_type for stored in leeway.interactions] == ["upstream_timeout"]


@pytest.mark.parametrize(
    ("stub", "error_type"),
    [
        ({"cut_after": 3}, "upstream_unreachable"),
        ({"error_after": 3}, "upstream_error:server_error"),
        (
            {
                "raw_events": [
                    'data: {"choices": [{"delta": {"content": "Lee"}}]}\n\n',
                    "data: x\n\n",
                ]
            },
            "upstream_malformed",
        ),
        (
            {"raw_events": ['data: {"choices": [{"delta": {"content": "Lee"}}]}\n\n']},
            "upstream_malformed",
        ),
    ],
)
async def test_a_stream_that_is_cut_ends_in_an_error_event_and_is_interrupted(
    http: aiohttp.ClientSession, leeway: Gateway, stub: dict[str, Any], error_type: str
) -> None:
    reply = await ask(http, leeway, stub=stub, stream=True)

    events = reply.body.decode().split("\n\n")
    assert reply.status == 200
    assert "[DONE]" not in reply.body.decode()
    assert json.loads(events[-2].removeprefix("data: "))["error"]["message"]
    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("interrupted", error_type)
    assert stored.output_text.startswith("Lee")
    assert list(stored.finish_reasons) == []
    # No usage came: the deltas that were delivered are counted.
    assert stored.output_tokens >= 1
    assert stored.usage_json == ""


async def test_half_a_character_in_a_delta_passes_as_it_is(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    first = 'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    surrogate = 'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n'
    done = "data: [DONE]\n\n"

    lenient = await ask(http, leeway, stub={"raw_events": [first, surrogate, done]}, stream=True)

    assert lenient.body.decode() == first + surrogate + done
    assert leeway.interactions[0].output_text == "a\ufffd"


@pytest.mark.parametrize(("times", "status"), [(1, 200), (9, 502)])
async def test_a_connection_dropped_without_a_byte_is_tried_once_more(
    http: aiohttp.ClientSession, times: int, status: int
) -> None:
    async with dropping(times) as url, gateway(one_upstream(url)) as leeway:
        reply = await ask(http, leeway)

        assert reply.status == status
        assert [len(stored.attempts) for stored in leeway.interactions] == [2]


async def test_a_full_outbox_is_a_503_and_asks_no_upstream(
    http: aiohttp.ClientSession, leeway: Gateway, upstream: Upstream
) -> None:
    leeway.outbox.full = True

    whole = await ask(http, leeway)
    stream = await ask(http, leeway, stream=True)

    assert (whole.status, stream.status) == (503, 503)
    assert whole.error["type"] == "service_unavailable_error"
    assert upstream.received == []


class FullAtTheEnd(FakeOutbox):
    """Opens calls, and has no room for their facts."""

    async def append(self, facts: Any, *, closes: Any = ()) -> Any:
        self.full = True
        return await super().append(facts, closes=closes)


@pytest.mark.parametrize("stub", [{}, {"cut_after": 3}])
async def test_an_answer_that_cannot_be_stored_is_not_accepted(
    http: aiohttp.ClientSession, upstream: Upstream, stub: dict[str, Any]
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), FullAtTheEnd()) as leeway,
    ):
        stream = await ask(http, leeway, stream=True, stub=stub)
        leeway.outbox.full = False
        whole = await ask(http, leeway)

        assert whole.status == 503
        assert b"[DONE]" not in stream.body
        assert b'data: {"error":' in stream.body
        assert len(leeway.outbox.opened) == 2  # the next start accounts for both


async def test_calls_that_an_earlier_life_left_open_are_recorded_as_interrupted(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    class Left(FakeOutbox):
        def orphans(self) -> Any:
            return tuple(self.opened.values())

    outbox = Left()
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0])
        async with gateway(wiring, outbox) as first:
            asked = asyncio.create_task(ask(http, first, stub={"hang": True}))
            await upstream.asked.wait()
            left = dict(outbox.opened)
            asked.cancel()
            await upstream.left.wait()
        outbox = Left()
        outbox.opened = left
        async with gateway(wiring, outbox) as second:
            [stored] = second.interactions

    assert (stored.status, stored.error_type, stored.tenant) == (
        "interrupted",
        "process_died",
        "acme",
    )
    assert stored.input_text == "hi"
    assert outbox.opened == {}


def two_upstreams(first: str, second: str) -> Wiring:
    """`main` at the first, with a fallback to `spare` at the second."""
    one = one_upstream(first)
    providers: dict[str, Mapping[str, Any]] = {
        **one.providers,
        "other": {"kind": "openai", "base_url": f"{second}/v1"},
    }
    models: dict[str, Mapping[str, Any]] = {
        "gpt": {"routes": [{"provider": "stub", "model": "a"}], "fallbacks": ["spare"]},
        "spare": {"routes": [{"provider": "other", "model": "b"}]},
    }
    return Wiring(providers, models, secrets=one.secrets)


async def test_a_fallback_answers_when_the_first_upstream_is_gone(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(two_upstreams("http://127.0.0.1:1", urls[0])) as leeway,
    ):
        whole = await ask(http, leeway)
        stream = await ask(http, leeway, stream=True)

        assert (whole.status, stream.status) == (200, 200)
        assert stream.body.endswith(b"data: [DONE]\n\n")
        for stored in leeway.interactions:
            assert (stored.status, stored.provider, stored.request_model) == ("ok", "other", "gpt")
            assert [(a.provider, a.status) for a in stored.attempts] == [
                ("stub", "error"),
                ("other", "ok"),
            ]


async def test_a_request_that_is_wrong_is_not_asked_elsewhere(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(two_upstreams(urls[0], urls[0])) as leeway,
    ):
        stub = {"status": 400, "body": '{"error": {"message": "bad temperature"}}'}
        reply = await ask(http, leeway, stub=stub)

        assert (reply.status, len(upstream.received)) == (400, 1)


async def test_after_the_first_byte_nothing_is_asked_again(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with (
        served(upstream.app()) as urls,
        gateway(two_upstreams(urls[0], urls[0])) as leeway,
    ):
        await ask(http, leeway, stub={"cut_after": 2}, stream=True)

        assert len(upstream.received) == 1
