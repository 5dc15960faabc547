"""Clients that leave, dawdle, or send what no client should: raw sockets against the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.serving.settings import Settings
from tests.gateway import READER_KEY, Gateway, WatchedOutbox, gateway, one_upstream
from tests.upstream import Upstream, served

IMPATIENT = Settings(max_body_bytes=4096, client_idle_seconds=0.2)


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def outbox() -> WatchedOutbox:
    return WatchedOutbox()


@pytest.fixture
async def leeway(upstream: Upstream, outbox: WatchedOutbox) -> AsyncIterator[Gateway]:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), outbox, IMPATIENT) as running,
    ):
        yield running


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of a response with a content length."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, body


@asynccontextmanager
async def connected(leeway: Gateway) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", leeway.port)
    async with asyncio.timeout(10):
        yield Wire(reader, writer)
    writer.close()


def a_post(
    leeway: Gateway, body: bytes, *headers: str, path: str = "/v1/chat/completions"
) -> bytes:
    given = [f"authorization: Bearer {leeway.key}", f"content-length: {len(body)}", *headers]
    lines = [f"POST {path} HTTP/1.1", "host: leeway", *given, "", ""]
    return "\r\n".join(lines).encode() + body


def a_chat(**fields: Any) -> bytes:
    said = [{"role": "user", "content": "hi"}]
    return json.dumps({"model": "gpt", "messages": said, **fields}).encode()


async def post(leeway: Gateway, body: bytes, *headers: str) -> tuple[int, dict[str, str], bytes]:
    async with connected(leeway) as wire:
        wire.writer.write(a_post(leeway, body, *headers))
        return await wire.reply()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_first_byte_takes_the_upstream_call_with_it(
    leeway: Gateway, upstream: Upstream, outbox: WatchedOutbox, stream: bool
) -> None:
    async with connected(leeway) as wire:
        wire.writer.write(a_post(leeway, a_chat(stub={"hang": True}, stream=stream)))
        await upstream.asked.wait()

    await asyncio.wait_for(upstream.left.wait(), 5)
    await asyncio.wait_for(outbox.stored.wait(), 5)
    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("cancelled", "client_left")
    assert [a.status for a in stored.attempts] == ["cancelled"]
    assert leeway.outbox.opened == {}


async def test_a_client_that_leaves_a_stream_is_charged_for_what_it_had(
    leeway: Gateway, upstream: Upstream, outbox: WatchedOutbox
) -> None:
    async with connected(leeway) as wire:
        wire.writer.write(a_post(leeway, a_chat(stub={"pause": 0.02}, stream=True)))
        await wire.reader.readuntil(b"Leeway")

    await asyncio.wait_for(upstream.left.wait(), 5)
    await asyncio.wait_for(outbox.stored.wait(), 5)
    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("cancelled", "client_left")
    assert stored.output_text.startswith("Leeway")
    assert stored.output_tokens == len(stored.output_text) // 6


async def test_a_client_that_reads_nothing_is_let_go_and_holds_up_nobody(
    leeway: Gateway, upstream: Upstream, outbox: WatchedOutbox
) -> None:
    event = "data: " + json.dumps({"choices": [{"delta": {"content": "x" * 60_000}}]}) + "\n\n"
    upstream.stub = {"raw_events": [event] * 400}
    async with connected(leeway) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.writer.write(a_post(leeway, a_chat(stream=True)))
        await outbox.stored.wait()

    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("cancelled", "client_left")
    upstream.stub = {}
    assert (await post(leeway, a_chat()))[0] == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_a_413_however_it_is_sent(
    leeway: Gateway, declared: bool
) -> None:
    async with connected(leeway) as wire:
        if declared:
            wire.writer.write(a_post(leeway, b"x" * 5000))
        else:
            head = a_post(leeway, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
            wire.writer.write(head + b"1388\r\n" + b"x" * 5000 + b"\r\n")
        status, headers, body = await wire.reply()

    assert (status, json.loads(body)["error"]["code"]) == (413, "body_too_large")
    assert headers["x-leeway-interaction-id"]


async def test_a_chunked_body_is_read_whole(leeway: Gateway, upstream: Upstream) -> None:
    chat = a_chat()
    async with connected(leeway) as wire:
        head = a_post(leeway, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in chat)
        wire.writer.write(head + chunks + b"0\r\n\r\n")
        status, _, _ = await wire.reply()

    assert (status, upstream.received[0].body["messages"]) == (200, json.loads(chat)["messages"])


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "x" * 300])
async def test_a_compressed_body_is_a_415(leeway: Gateway, encoding: str) -> None:
    status, _, body = await post(leeway, a_chat(), f"content-encoding: {encoding}")

    assert (status, json.loads(body)["error"]["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"text"',
        b"{",
        b'{"model": NaN}',
        b'{"model":"gpt","model":"demo","messages":[{"role":"user"}]}',
        b'{"model":"gpt","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"gpt","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"gpt","messages":[{"role":"user"}],"temperature":1e400}',
        b'{"model":"gpt","messages":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"model":["gpt"],"messages":[{"role":"user"}]}',
        b'{"model":"gpt","messages":{"role":"user"}}',
        b'{"model":"gpt","messages":[{"role":7}]}',
        b'{"model":"gpt","messages":[{"role":"user"}],"n":true}',
        b'{"model":"gpt","messages":[{"role":"user"}],"stream":"true"}',
        b'{"model":"gpt","messages":[{"role":"user"}],"metadata":"x"}',
        b'{"model":"gpt","messages":[{"role":"user"}],"metadata":{"session_id":"\\u0000"}}',
    ],
)
async def test_a_wrong_body_is_a_400_that_says_why(
    leeway: Gateway, upstream: Upstream, body: bytes
) -> None:
    status, headers, told = await post(leeway, body)

    assert status == 400
    assert json.loads(told)["error"]["type"] == "invalid_request_error"
    assert headers["x-leeway-interaction-id"]
    assert upstream.received == []


@pytest.mark.parametrize(
    "header",
    [
        "x-leeway-session: \xff",
        "x-leeway-user: " + "u" * 300,
        "x-leeway-tags: no-value",
        "x-leeway-environment: a\x7f",
    ],
)
async def test_a_wrong_header_is_a_400(leeway: Gateway, header: str) -> None:
    async with connected(leeway) as wire:
        raw = a_post(leeway, a_chat(), "x-mark: here")
        wire.writer.write(raw.replace(b"x-mark: here", header.encode("latin-1")))
        status, _, _ = await wire.reply()

    assert status == 400


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("", 401),
        ("authorization: Bearer", 401),
        ("authorization: Bearer lk_production_x_y_000000", 401),
        ("authorization: Basic abc", 401),
        (f"authorization: Bearer {READER_KEY}", 403),
        (f"x-api-key: {READER_KEY}", 403),
    ],
)
async def test_without_a_key_that_may_serve_nothing_is_served(
    leeway: Gateway, upstream: Upstream, given: str, status: int
) -> None:
    async with connected(leeway) as wire:
        own = f"authorization: Bearer {leeway.key}".encode()
        wire.writer.write(a_post(leeway, a_chat(), "x: y").replace(own, given.encode() or b"z: z"))
        answered, headers, body = await wire.reply()

    assert (answered, upstream.received) == (status, [])
    assert json.loads(body)["error"]["message"]
    assert "x-leeway-interaction-id" not in headers


async def test_both_headers_name_the_same_caller(leeway: Gateway) -> None:
    status, _, _ = await post(leeway, a_chat(), f"x-api-key: {leeway.key}")
    conflict, _, _ = await post(leeway, a_chat(), f"x-api-key: {READER_KEY}")

    assert (status, conflict) == (200, 401)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /v1/chat/completions", 405),
        ("DELETE /v1/models", 405),
        ("POST /v1/nothing", 404),
        ("GET /v1/models/%00", 404),
    ],
)
async def test_other_paths_and_methods_are_refused(leeway: Gateway, line: str, status: int) -> None:
    async with connected(leeway) as wire:
        head = f"{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {leeway.key}\r\n\r\n"
        wire.writer.write(head.encode())

        assert (await wire.reply())[0] == status


async def test_stopping_waits_for_the_calls_in_flight(upstream: Upstream) -> None:
    async with served(upstream.app()) as urls:
        async with gateway(one_upstream(urls[0])) as leeway:
            reader, writer = await asyncio.open_connection("127.0.0.1", leeway.port)
            writer.write(a_post(leeway, a_chat(stub={"pause": 0.01}, stream=True)))
            await reader.readuntil(b"Leeway")

        rest = await reader.read()
        writer.close()

    assert b"data: [DONE]" in rest
    assert [stored.status for stored in leeway.interactions] == ["ok"]


@pytest.mark.parametrize("policy", ["none", "hash"])
async def test_texts_are_kept_as_the_tenants_policy_says(upstream: Upstream, policy: str) -> None:
    async with served(upstream.app()) as urls:
        wiring = one_upstream(urls[0])
        wiring.content = policy
        async with gateway(wiring) as leeway:
            assert (await post(leeway, a_chat()))[0] == 200
            [fact] = leeway.outbox.facts

    assert b"Leeway passes" not in fact.value
    assert leeway.interactions[0].content_policy == policy
