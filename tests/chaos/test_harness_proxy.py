"""The proxy itself: each fault is what it says, on open connections and on new ones."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.chaos.proxy import Proxy, a_proxy

PATIENCE_SECONDS = 5


Connect = Callable[[], Awaitable["Connection"]]


class Connection:
    """A client's side of a connection to a server that answers every line with the same line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, text: str, seconds: float = PATIENCE_SECONDS) -> str:
        async with asyncio.timeout(seconds):
            self._writer.write(f"{text}\n".encode())
            line = await self._reader.readline()
        if not line:
            raise ConnectionResetError
        return line.decode().strip()

    def close(self) -> None:
        self._writer.close()


class Echo(asyncio.Protocol):
    """The server's side; it keeps what it was asked."""

    def __init__(self, asked: list[bytes]) -> None:
        self._asked = asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked.append(data)
        self._transport.write(data)


@pytest.fixture
def asked() -> list[bytes]:
    return []


@pytest.fixture
async def proxy(asked: list[bytes]) -> AsyncIterator[Proxy]:
    server = await asyncio.get_running_loop().create_server(lambda: Echo(asked), "127.0.0.1", 0)
    async with server, a_proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    opened: list[Connection] = []

    async def connection() -> Connection:
        opened.append(Connection(*await asyncio.open_connection("127.0.0.1", proxy.port)))
        return opened[-1]

    yield connection
    for each in opened:
        each.close()


async def test_without_a_fault_everything_passes(proxy: Proxy, connect: Connect) -> None:
    connection = await connect()

    assert [await connection.ask(text) for text in ("one", "two")] == ["one", "two"]
    assert proxy.connections == 1


async def test_a_delay_is_waited_in_each_direction(proxy: Proxy, connect: Connect) -> None:
    connection = await connect()
    proxy.delay_seconds = proxy.reply_delay_seconds = 0.1
    start = time.monotonic()

    assert await connection.ask("one") == "one"
    assert time.monotonic() - start >= 0.2


async def test_a_cut_resets_what_is_open_and_nothing_else(proxy: Proxy, connect: Connect) -> None:
    connection = await connect()
    await connection.ask("one")
    proxy.cut()

    with pytest.raises(ConnectionResetError):
        await connection.ask("two")
    assert await (await connect()).ask("three") == "three"


async def test_who_is_down_takes_no_connection_until_it_comes_up(
    proxy: Proxy, connect: Connect
) -> None:
    proxy.go_down()
    with pytest.raises(ConnectionResetError):
        await (await connect()).ask("one")
    proxy.come_up()

    assert await (await connect()).ask("two") == "two"


async def test_half_open_takes_bytes_and_gives_none_until_released(
    proxy: Proxy, connect: Connect, asked: list[bytes]
) -> None:
    connection = await connect()
    await connection.ask("one")
    proxy.hold()
    with pytest.raises(TimeoutError):
        await connection.ask("two", 0.1)
    assert asked == [b"one\n"]
    proxy.release()

    assert await connection.ask("three") == "two"


async def test_a_lost_reply_is_to_a_request_that_was_done(
    proxy: Proxy, connect: Connect, asked: list[bytes]
) -> None:
    connection = await connect()
    proxy.lose_replies(1, to=b"insert")
    assert await connection.ask("select") == "select"

    with pytest.raises(ConnectionResetError):
        await connection.ask("insert")

    assert asked == [b"select\n", b"insert\n"]
    assert await (await connect()).ask("insert") == "insert"
    assert proxy.lost_replies == 1


async def test_a_trickle_lets_so_many_bytes_pass_in_a_second(
    proxy: Proxy, connect: Connect
) -> None:
    connection = await connect()
    proxy.trickle_bytes = 4
    start = time.monotonic()

    assert await connection.ask("12345") == "12345"
    assert time.monotonic() - start >= 1


async def test_a_stranded_connection_gives_nothing_and_a_new_one_is_well(
    proxy: Proxy, connect: Connect
) -> None:
    connection = await connect()
    await connection.ask("one")
    proxy.strand()

    with pytest.raises(TimeoutError):
        await connection.ask("two", 0.1)
    assert await (await connect()).ask("three") == "three"
