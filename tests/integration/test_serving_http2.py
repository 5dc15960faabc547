"""HTTP/2 to an upstream: what one connection shares among calls, and what it keeps apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import aiohttp
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset

from services.serving.transport.http1 import HIGH_WATER_BYTES
from services.serving.transport.pools import Pools
from services.serving.transport.port import (
    BrokenOff,
    Dropped,
    Exchange,
    Late,
    Origin,
    Place,
    Post,
    TransportLimits,
    Unreadable,
)
from tests.gateway import gateway, one_upstream
from tests.waiting import until

LIMITS = TransportLimits(connect_seconds=5, idle_seconds=5, total_seconds=10)
POST = Post("/v1/chat/completions", {"content-type": "application/json"}, b"{}")


@dataclass
class Seen:
    """What a server saw of its connections and streams, and what it does when a request is whole."""

    answer: "Callable[[Speaker, int], None]"
    connections: int = 0
    requests: dict[str, str] = field(default_factory=dict)  # the headers of the last one
    bodies: list[bytes] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    speakers: "list[Speaker]" = field(default_factory=list)


class Speaker(asyncio.Protocol):
    """A server's end of a connection."""

    def __init__(self, seen: Seen) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._seen = seen
        self._bodies: dict[int, bytes] = {}
        seen.connections += 1
        seen.speakers.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()

    def begin(self, stream: int, status: int = 200) -> None:
        self.h2.send_headers(stream, [(":status", str(status)), ("content-type", "text/plain")])
        self.flush()

    def say(self, stream: int, body: bytes, *, last: bool = False) -> None:
        self.h2.send_data(stream, body, end_stream=last)
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(headers=headers, stream_id=int(stream)):
                self._seen.requests = {str(name): str(value) for name, value in headers or ()}
                self._bodies[stream] = b""
            case DataReceived(data=data, stream_id=int(stream)):
                self._bodies[stream] += data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamEnded(stream_id=int(stream)):
                self._seen.bodies.append(self._bodies[stream])
                self._seen.answer(self, stream)
            case StreamReset():
                self._seen.resets.append(int(event.error_code or 0))
            case _:
                pass


def ok(speaker: Speaker, stream: int) -> None:
    speaker.begin(stream)
    speaker.say(stream, b"ok", last=True)


def nothing(_: Speaker, __: int) -> None:
    return


@asynccontextmanager
async def asked(
    answer: Callable[[Speaker, int], None], limits: TransportLimits = LIMITS
) -> AsyncIterator[tuple[Seen, Callable[[], "asyncio.Future[Exchange]"]]]:
    """A server that answers so, and what asks it."""
    seen = Seen(answer)
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(seen), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    origin = Origin(False, "127.0.0.1", port, f"127.0.0.1:{port}", http2=True)
    async with server, Pools(limits) as pools:
        yield seen, lambda: asyncio.ensure_future(pools.ask(Place(origin, POST.path), POST))


async def whole(exchange: Exchange, limit: int = 2**24) -> bytes | None:
    """The whole body, the exchange left."""
    try:
        return await exchange.whole(limit)
    finally:
        exchange.leave(whole=False)


async def test_many_calls_at_once_share_one_connection() -> None:
    async with asked(ok) as (seen, ask):
        exchanges = await asyncio.gather(*(ask() for _ in range(50)))
        bodies = [await whole(exchange) for exchange in exchanges]

        assert bodies == [b"ok"] * 50
        assert seen.connections == 1
        assert seen.requests[":path"] == POST.path
        assert seen.requests["accept-encoding"] == "identity"
        assert seen.bodies == [POST.body] * 50
        assert seen.resets == []


async def test_more_calls_than_a_connection_takes_open_another() -> None:
    async with asked(nothing) as (seen, ask):
        for _ in range(101):
            await ask()

        await until(lambda: seen.connections == 2)


async def test_a_request_is_sent_as_its_upstreams_window_lets_it() -> None:
    body = b"x" * 1_000_000
    seen = Seen(ok)
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(seen), "127.0.0.1", 0)
    origin = Origin(False, "127.0.0.1", server.sockets[0].getsockname()[1], "h", http2=True)
    async with server, Pools(LIMITS) as pools:
        exchange = await pools.ask(Place(origin, "/"), replace(POST, body=body))

        assert await whole(exchange) == b"ok"
        assert seen.bodies == [body]


async def test_who_is_cancelled_resets_its_stream_and_no_other() -> None:
    async with asked(nothing) as (seen, ask):
        gone, kept = await ask(), await ask()
        waiting = asyncio.create_task(whole(gone))
        await until(lambda: len(seen.bodies) == 2)
        waiting.cancel()
        await until(lambda: seen.resets == [ErrorCodes.CANCEL])
        ok(seen.speakers[0], 3)

        assert await whole(kept) == b"ok"


async def test_a_reader_that_is_slow_holds_back_its_own_upstream_alone() -> None:
    def much(speaker: Speaker, stream: int) -> None:
        speaker.begin(stream)
        while room := min(speaker.h2.local_flow_control_window(stream), 16_384):
            speaker.say(stream, b"x" * room)

    async with asked(much) as (seen, ask):
        slow = await ask()
        await slow.head()
        await until(lambda: not seen.speakers[0].h2.local_flow_control_window(1))
        seen.answer = ok

        assert await whole(await ask()) == b"ok"
        taken = len(await slow.read())
        while taken < HIGH_WATER_BYTES:
            taken += len(await slow.read())
        assert taken == HIGH_WATER_BYTES
        await until(lambda: bool(seen.speakers[0].h2.local_flow_control_window(1)))
        slow.leave(whole=False)


async def test_what_an_upstream_refused_unread_may_be_asked_again() -> None:
    def refuse(speaker: Speaker, stream: int) -> None:
        speaker.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)

    async with asked(refuse) as (_, ask):
        with pytest.raises(Dropped):
            await whole(await ask())


async def test_a_reply_that_is_reset_is_never_taken_for_a_whole_one() -> None:
    def cut(speaker: Speaker, stream: int) -> None:
        speaker.begin(stream)
        speaker.say(stream, b"ha")
        speaker.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    async with asked(cut) as (_, ask):
        with pytest.raises(BrokenOff):
            await whole(await ask())


@pytest.mark.parametrize(("begun", "fault"), [(False, Dropped), (True, BrokenOff)])
async def test_a_connection_that_breaks_breaks_what_is_on_it(
    begun: bool, fault: type[Exception]
) -> None:
    def close(speaker: Speaker, stream: int) -> None:
        if begun:
            speaker.begin(stream)
            speaker.say(stream, b"ha")
        speaker.transport.close()

    async with asked(close) as (_, ask):
        with pytest.raises(fault):
            await whole(await ask())


async def test_after_a_goaway_calls_go_over_another_connection() -> None:
    def leave(speaker: Speaker, stream: int) -> None:
        ok(speaker, stream)
        speaker.h2.close_connection(last_stream_id=stream)

    async with asked(leave) as (seen, ask):
        bodies = [await whole(await ask()) for _ in range(2)]

        assert bodies == [b"ok", b"ok"]
        assert seen.connections == 2


async def test_what_is_no_http2_is_unreadable() -> None:
    def mumble(speaker: Speaker, _: int) -> None:
        speaker.transport.write(b"\x00\x00\x08\x06\x00\x00\x00\x00\x07whatever")

    async with asked(mumble) as (_, ask):
        with pytest.raises(Unreadable):
            await whole(await ask())


async def test_a_status_that_is_none_is_unreadable() -> None:
    def joke(speaker: Speaker, stream: int) -> None:
        speaker.h2.config.validate_outbound_headers = False
        speaker.h2.send_headers(stream, [(":status", "2e2")], end_stream=True)

    async with asked(joke) as (_, ask):
        with pytest.raises(Unreadable):
            await whole(await ask())


@pytest.mark.parametrize(
    "impatient", [replace(LIMITS, idle_seconds=0.05), replace(LIMITS, total_seconds=0.05)]
)
async def test_silence_and_length_have_a_deadline(impatient: TransportLimits) -> None:
    async with asked(nothing, impatient) as (seen, ask):
        with pytest.raises(Late):
            await whole(await ask())

        await until(lambda: seen.resets == [ErrorCodes.CANCEL])


async def test_a_stream_that_was_left_whole_may_end_a_moment_later() -> None:
    def begin(speaker: Speaker, stream: int) -> None:
        speaker.begin(stream)
        speaker.say(stream, b"data: [DONE]\n\n")

    async with asked(begin) as (seen, ask):
        exchange = await ask()
        assert await exchange.read() == b"data: [DONE]\n\n"
        exchange.leave(whole=True)
        seen.speakers[0].say(1, b"", last=True)
        seen.answer = ok

        assert await whole(await ask()) == b"ok"
        assert seen.resets == []


async def test_an_unused_connection_is_closed() -> None:
    async with asked(ok, replace(LIMITS, keep_alive_seconds=0.05)) as (seen, ask):
        await whole(await ask())

        await until(seen.speakers[0].transport.is_closing)


async def test_a_provider_with_the_option_is_asked_over_http2() -> None:
    def complete(speaker: Speaker, stream: int) -> None:
        said = {"role": "assistant", "content": "Hello."}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        speaker.begin(stream)
        speaker.say(stream, json.dumps({"choices": [choice]}).encode(), last=True)

    seen = Seen(complete)
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(seen), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
    async with (
        server,
        gateway(one_upstream(url, http2=True)) as leeway,
        aiohttp.ClientSession() as http,
        http.post(
            f"{leeway.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {leeway.key}"},
        ) as reply,
    ):
        assert (await reply.json())["choices"][0]["message"]["content"] == "Hello."
        assert seen.requests["authorization"] == "Bearer sk-stub-secret"


async def test_a_gateway_has_connections_to_its_providers_before_a_call() -> None:
    seen = Seen(nothing)
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(seen), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, gateway(one_upstream(url, http2=True)):
        await until(lambda: seen.connections == 1)
