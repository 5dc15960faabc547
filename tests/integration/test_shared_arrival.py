"""Clients that send too slowly, or too much: raw sockets against the server of every process."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.arrival import Arrival
from shared.errors import Invalid
from shared.http import read_body
from shared.server import Server, http_app

HASTY = Arrival(header_seconds=0.2, body_seconds=0.2, max_header_bytes=1024)
PATIENT = Arrival(header_seconds=5, body_seconds=5, max_header_bytes=1024)


@dataclass
class Door:
    """An application that reads whole bodies; one that says no at once; and one that takes its time."""

    port: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await read_body(request))))
        finally:
            self.left.set()

    async def refuse(self, _: Request) -> Response:
        raise Invalid("No.", status=413)

    async def wait(self, _: Request) -> Response:
        await self.go_on.wait()
        return PlainTextResponse("at last")


@asynccontextmanager
async def a_door(arrival: Arrival) -> AsyncIterator[Door]:
    door = Door()
    routes = [
        Route("/read", door.read, methods=["POST"]),
        Route("/refuse", door.refuse, methods=["POST"]),
        Route("/wait", door.wait),
    ]
    server = Server(http_app(routes, lambda: True), drain_seconds=5, arrival=arrival)
    listener = socket.create_server(("127.0.0.1", 0))
    door.port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve_on(listener))
    async with asyncio.timeout(10):
        yield door
    server.drain()
    await serving


async def told(door: Door, *pieces: bytes) -> bytes:
    """What comes back for these bytes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


def error_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /read HT",
        b"POST /read HTTP/1.1\r\nhost: x\r\n",
        b"POST /read HTTP/1.1\r\nhost: x\r\nx-endless: aaaa",
    ],
)
async def test_headers_that_do_not_come_are_a_408(sent: bytes) -> None:
    async with a_door(HASTY) as door:
        assert error_of(await told(door, sent)) == (408, "headers_timeout")


async def test_headers_that_drip_are_late_all_the_same() -> None:
    async with a_door(HASTY) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        answer = asyncio.create_task(reader.read())
        for byte in b"POST /read HTTP/1.1\r\nhost: x\r\nx-endless: aaaaaaaaaaaaaaaaaaaa":
            writer.write(bytes([byte]))
            await asyncio.wait({answer}, timeout=0.02)
        writer.close()

        assert error_of(await answer) == (408, "headers_timeout")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n",
        b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabcd",
        b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n",
    ],
)
async def test_a_body_that_does_not_come_is_a_408_and_its_reader_is_let_go(sent: bytes) -> None:
    async with a_door(HASTY) as door:
        assert error_of(await told(door, sent)) == (408, "body_timeout")
        await door.left.wait()


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"])
async def test_a_connection_that_asks_nothing_is_closed(sent: bytes) -> None:
    async with a_door(HASTY) as door:
        assert await told(door, sent) == b""


async def test_a_refused_client_that_goes_on_sending_is_cut_off() -> None:
    async with a_door(HASTY) as door:
        head = b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
        answer = await told(door, head, b"abc")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1


async def test_an_answer_takes_as_long_as_it_takes_and_the_connection_is_used_again() -> None:
    async with a_door(HASTY) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        for _ in range(2):
            door.go_on.clear()
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            waiting = asyncio.create_task(reader.readuntil(b"at last"))
            await asyncio.wait({waiting}, timeout=0.4)
            door.go_on.set()

            assert (await waiting).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_the_next_request_has_its_own_deadline() -> None:
    async with a_door(HASTY) as door:
        door.go_on.set()
        whole = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n"
        answer = await told(door, whole, b"GET /wai")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"headers_timeout"' in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 5000,
        b"GET / HTTP/1.1\r\nhost: x\r\nx-endless: " + b"a" * 5000,
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 1000,
    ],
)
async def test_headers_without_end_are_a_431(sent: bytes) -> None:
    async with a_door(PATIENT) as door:
        assert error_of(await told(door, sent)) == (431, "headers_too_large")


async def test_a_large_body_is_no_large_header() -> None:
    async with a_door(PATIENT) as door:
        head = b"POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 500000\r\n"
        answer = await told(door, head + b"\r\n", b"x" * 500_000)

    assert answer.endswith(b"500000")


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n", b"hello\r\n\r\n"]
)
async def test_what_is_no_http_is_a_400(sent: bytes) -> None:
    async with a_door(PATIENT) as door:
        assert error_of(await told(door, sent)) == (400, "invalid_http")
