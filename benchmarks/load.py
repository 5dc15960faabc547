"""A lean load client: kept-alive connections that ask the same thing over and over, and time it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

_SLACK = 8  # of white space that may follow the end


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered request, in seconds; `whole` says that it was 200 and ended as it should."""

    first_byte: float
    total: float
    whole: bool
    status: int


@dataclass(slots=True)
class Load:
    """What a run of load came to."""

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rps(self) -> float:
        return len(self.samples) / self.seconds

    @property
    def errors(self) -> int:
        return sum(not sample.whole for sample in self.samples)

    def percentile_ms(self, share: float, *, first_byte: bool = False) -> float:
        """A latency in milliseconds that this share of the requests did not exceed."""
        times = sorted(s.first_byte if first_byte else s.total for s in self.samples)
        return 1000 * times[min(len(times) - 1, int(share * len(times)))]


class Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self._first, self._tail = 0.0, b""
        self._answered: asyncio.Future[None] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionResetError("the server closed the connection"))

    def on_body(self, body: bytes) -> None:
        if not self._first:
            self._first = time.perf_counter()
        self._tail = (self._tail + body)[-len(self._end) - _SLACK :]

    def on_message_complete(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    async def ask(self, raw: bytes) -> Sample:
        """Send a request, and wait for the whole answer."""
        assert self._transport is not None, "not connected"
        self._parser = httptools.HttpResponseParser(self)
        self._answered = asyncio.get_running_loop().create_future()
        self._first, self._tail = 0.0, b""
        started = time.perf_counter()
        self._transport.write(raw)
        async with asyncio.timeout(60):
            await self._answered
        ended = time.perf_counter()
        status = self._parser.get_status_code()
        whole = status == 200 and self._tail.rstrip().endswith(self._end)
        return Sample(self._first - started, ended - started, whole, status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def a_request(url: str, body: bytes, headers: Sequence[str]) -> bytes:
    """The bytes of a POST."""
    at = urlsplit(url)
    lines = [
        f"POST {at.path} HTTP/1.1",
        f"host: {at.netloc}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def run_load(url: str, raw: bytes, end: bytes, concurrency: int, seconds: float) -> Load:
    """Ask over `concurrency` connections for some seconds; an answer is whole when it ends with `end`."""
    connections = [await connected(url, end) for _ in range(concurrency)]
    load, started = Load(), time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        while time.perf_counter() - started < seconds:
            load.samples.append(await connection.ask(raw))

    await asyncio.gather(*(keep_asking(connection) for connection in connections))
    load.seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return load


async def connected(url: str, end: bytes) -> Connection:
    """A new connection to where a URL leads, whose answers are whole when they end with `end`."""
    at = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(end), at.hostname or "", at.port or 80
    )
    return connection
