"""The upstream transport against servers that speak HTTP badly, slowly, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

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
    TransportFault,
    TransportLimits,
    Unconnected,
    Unreadable,
)
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LIMITS = TransportLimits(connect_seconds=5, idle_seconds=5, total_seconds=10)
POST = Post("/v1/chat/completions", {"content-type": "application/json"}, b"{}")


@dataclass
class Scripted:
    """A server that answers each request of a connection with the next bytes of its script, and closes after the last.

    `None` in a script: say nothing more, and keep the connection.
    """

    script: Sequence[bytes | None]
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            for said in self.script:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(len(POST.body)))
                if said is None:
                    break
                writer.write(said)
            if self.script[-1] is None:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def asked(
    *script: bytes | None, limits: TransportLimits = LIMITS
) -> AsyncIterator[tuple[Scripted, Callable[[], "asyncio.Future[Exchange]"]]]:
    """A scripted server, and what asks it."""
    scripted = Scripted(script)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    async with server, Pools(limits) as pools:
        yield scripted, lambda: asyncio.ensure_future(pools.ask(a_place(scripted.port), POST))


def a_place(port: int) -> Place:
    origin = Origin(secure=False, host="127.0.0.1", port=port, authority=f"127.0.0.1:{port}")
    return Place(origin, POST.path)


async def whole(exchange: Exchange, limit: int = 1024) -> bytes | None:
    """The whole body, the exchange left."""
    try:
        return await exchange.whole(limit)
    finally:
        exchange.leave(whole=False)


async def test_a_connection_is_used_again_after_a_clean_end() -> None:
    async with asked(OK, OK, None) as (server, ask):
        bodies = [await whole(await ask()) for _ in range(2)]

        assert bodies == [b"ok", b"ok"]
        assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + OK,
        OK + b"HTTP/1.1",
    ],
    ids=["told to close", "HTTP/1.0", "a second reply", "the beginning of a second reply"],
)
async def test_a_connection_with_anything_left_on_it_is_not_used_again(reply: bytes) -> None:
    async with asked(reply, None) as (server, ask):
        bodies = [await whole(await ask()) for _ in range(2)]

        assert bodies == [b"ok", b"ok"]
        assert server.connections == 2


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nx: y\r\n folded\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"<html>busy</html>",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 80_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=" + b"y" * 80_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 80_000,
    ],
    ids=lambda reply: repr(reply[:70])[2:-1],
)
async def test_what_two_readers_could_read_differently_is_refused(reply: bytes) -> None:
    async with asked(reply, None) as (_, ask):
        with pytest.raises(Unreadable):
            await whole(await ask())


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"", Dropped),
        (b"HTTP/1.1 200", BrokenOff),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", BrokenOff),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", BrokenOff),
    ],
)
async def test_a_reply_that_is_cut_is_never_taken_for_a_whole_one(
    reply: bytes, fault: type[TransportFault]
) -> None:
    async with asked(reply) as (_, ask):
        with pytest.raises(fault):
            await whole(await ask())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;a=b\r\nk\r\n0\r\nx-late: 1\r\n\r\n",
    ],
    ids=["an interim reply before it", "until the connection ends", "chunks and trailers"],
)
async def test_every_form_of_a_reply_is_read(reply: bytes) -> None:
    async with asked(reply) as (_, ask):
        exchange = await ask()
        await exchange.head()

        assert "link" not in exchange.headers
        assert await whole(exchange) == b"ok"
        assert "x-late" not in exchange.headers


async def test_a_body_over_the_limit_is_given_up() -> None:
    async with asked(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000) as (_, ask):
        assert await whole(await ask()) is None


@pytest.mark.parametrize(
    "impatient", [replace(LIMITS, idle_seconds=0.05), replace(LIMITS, total_seconds=0.05)]
)
async def test_silence_and_length_have_a_deadline(impatient: TransportLimits) -> None:
    async with asked(b"HTTP/1.1 200 OK\r\n", None, limits=impatient) as (server, ask):
        with pytest.raises(Late):
            await whole(await ask())

        await server.closed.wait()


async def test_a_reader_that_is_slow_holds_its_upstream_back() -> None:
    body = b"x" * 8_000_000
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with asked(head + body, None) as (_, ask):
        exchange = await ask()
        await exchange.head()
        pieces = []
        while piece := await exchange.read():
            pieces.append(len(piece))
        exchange.leave(whole=False)

    assert sum(pieces) == len(body)
    assert max(pieces) <= 2 * HIGH_WATER_BYTES


async def test_who_is_cancelled_takes_the_connection_along() -> None:
    async with asked(None) as (server, ask):
        waiting = asyncio.create_task(whole(await ask()))
        await until(lambda: bool(server.requests))
        waiting.cancel()

        await server.closed.wait()


async def test_the_end_of_a_stream_may_come_after_it_was_left() -> None:
    async with asked(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", OK, None
    ) as (server, ask):
        exchange = await ask()
        assert await exchange.read() == b"ok"
        exchange.leave(whole=True)
        server.writers[0].write(b"0\r\n\r\n")
        await until(lambda: exchange.usable)  # type: ignore[attr-defined]

        assert await whole(await ask()) == b"ok"
        assert server.connections == 1


async def test_a_stream_that_was_left_and_does_not_end_is_closed() -> None:
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
    async with asked(begun, None) as (server, ask):
        exchange = await ask()
        await exchange.read()
        exchange.leave(whole=True)

        await server.closed.wait()


async def test_a_connection_that_its_server_closed_is_not_asked() -> None:
    async with asked(OK) as (server, ask):
        exchange = await ask()
        await whole(exchange)
        await until(lambda: not exchange.usable)  # type: ignore[attr-defined]

        assert await whole(await ask()) == b"ok"
        assert server.connections == 2


async def test_an_answer_to_nothing_closes_the_connection() -> None:
    async with asked(OK, None) as (server, ask):
        exchange = await ask()
        await whole(exchange)
        server.writers[0].write(OK)
        await until(lambda: not exchange.usable)  # type: ignore[attr-defined]

        assert await whole(await ask()) == b"ok"
        assert server.connections == 2


async def test_more_calls_than_connections_are_served_in_turn() -> None:
    async with asked(OK, OK, OK, None, limits=replace(LIMITS, connections=1)) as (server, ask):
        asking = [ask() for _ in range(3)]
        bodies = [await whole(await one) for one in asking]

        assert bodies == [b"ok"] * 3
        assert server.connections == 1


async def test_who_waits_for_a_connection_too_long_is_told() -> None:
    limits = replace(LIMITS, connections=1, connect_seconds=0.05)
    async with asked(None, limits=limits) as (_, ask):
        first = await ask()
        with pytest.raises(Late):
            await ask()
        first.leave(whole=False)


async def test_a_waiter_that_goes_leaves_its_turn_to_the_next() -> None:
    async with asked(OK, OK, None, limits=replace(LIMITS, connections=1)) as (_, ask):
        first, gone, next_one = await ask(), ask(), ask()
        await asyncio.sleep(0)
        gone.cancel()
        await whole(first)

        assert await whole(await next_one) == b"ok"


async def test_an_origin_that_is_warmed_has_connections_before_it_is_asked() -> None:
    async with asked(OK, None) as (server, _), Pools(replace(LIMITS, ready=2)) as pools:
        for _ in range(2):  # the second time there is nothing to do
            await pools.warm(a_place(server.port).origin)

        assert await whole(await pools.ask(a_place(server.port), POST)) == b"ok"
        assert server.connections == 2


async def test_where_nobody_listens_is_told() -> None:
    async with Pools(LIMITS) as pools:
        with pytest.raises(Unconnected):
            await pools.ask(a_place(1), POST)


@pytest.mark.parametrize(
    "post",
    [
        replace(POST, headers={"x": "a\r\nhost: evil"}),
        replace(POST, headers={"x": "a\nb"}),
        replace(POST, headers={"x": "a\rb"}),
        replace(POST, headers={"x": "a\0b"}),
        replace(POST, headers={"x\r\ny": "a"}),
        replace(POST, headers={"x": "\u20ac"}),
        replace(POST, path="/v1 HTTP/1.1\r\nhost: evil"),
        replace(POST, path="/v1 x"),
    ],
    ids=lambda post: repr((post.path, post.headers)),
)
async def test_a_request_cannot_be_broken_out_of(post: Post) -> None:
    async with Pools(LIMITS) as pools:
        with pytest.raises(ValueError, match=r"line break|control character|latin-1"):
            await pools.ask(a_place(1), post)
