"""An HTTP/1.1 connection (RFC 9112): one exchange at a time, strictly read, and kept only after a clean end."""

import asyncio
from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Protocol, cast

import httptools

from services.serving.transport.port import (
    BrokenOff,
    Dropped,
    Late,
    TransportFault,
    TransportLimits,
    Unreadable,
)

# Of bytes that bring no body: headers, trailers, chunk extensions, interim replies.
MAX_FRAME_BYTES = 64 * 1024
# Of a body that nobody has read yet: beyond it, the upstream is made to wait.
HIGH_WATER_BYTES = 256 * 1024
# How long the end of a reply may lag behind the last byte that was wanted of it.
LAG_SECONDS = 0.05

_BODILESS = frozenset((204, 304))


class Keeper(Protocol):
    """Who has the idle connections."""

    def took_back(self, connection: "Http1Connection") -> None:
        """A connection is free again."""
        ...

    def lost(self, connection: "Http1Connection") -> None:
        """A connection is closed, whatever it was doing."""
        ...


class _Wanted(IntEnum):
    """What a reader waits for."""

    HEAD = auto()
    DATA = auto()
    END = auto()


class Http1Connection(asyncio.Protocol):
    """A connection that is also the exchange it is used for; satisfies `Exchange`.

    One timer watches it: it is armed anew only when a deadline is nearer than it, not with each byte.
    The time of a socket is real time, whatever clock the services run on.
    """

    def __init__(self, keeper: Keeper, limits: TransportLimits) -> None:
        self._keeper = keeper
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = _Wanted.HEAD
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._free = True  # no exchange is using it
        self._lagging = False  # its exchange was left before the end had come
        self._paused = False
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._held = 0  # bytes in the chunks
        self._frame_bytes = 0
        self._headed = self._ended = self._seen = False
        self._reusable = False
        self._until_closed = False
        self._limit = HIGH_WATER_BYTES
        self._fault: TransportFault | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it."""
        return self._free and not self._closed and not self._transport.is_closing()

    # What the pool and the exchange's owner call.

    def ask(self, head: bytes, body: bytes) -> None:
        """Send a request on a connection that is free."""
        self._begin()
        self._free = False
        now = self._loop.time()
        self._total_at = now + self._limits.total_seconds
        self._idle_at = now + self._limits.idle_seconds
        self._arm(min(self._idle_at, self._total_at))
        self._transport.write(head + body)

    async def head(self) -> None:
        while not self._headed:
            await self._until(_Wanted.HEAD)

    async def whole(self, limit: int) -> bytes | None:
        self._limit = limit
        while not self._ended and self._held <= limit:
            await self._until(_Wanted.END)
        if self._held > limit:
            return None
        return self._taken()

    async def read(self) -> bytes:
        while not self._chunks and not self._ended:
            await self._until(_Wanted.DATA)
        return self._taken()

    def leave(self, *, whole: bool) -> None:
        if self._ended or self._closed:
            self._settle()
        elif whole and self._headed and self._fault is None:
            self._lagging = True
            self._total_at = self._loop.time() + LAG_SECONDS
            self._resume()
            self._arm(self._total_at)
        else:
            self._transport.abort()

    def keep(self) -> None:
        """It is idle from now on."""
        self._idle_at = self._loop.time() + self._limits.keep_alive_seconds
        self._arm(self._idle_at)

    def close(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._free:
            self._transport.abort()  # an answer to nothing
            return
        self._seen = True
        self._idle_at = self._loop.time() + self._limits.idle_seconds
        self._frame_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self._fail(Unreadable(str(fault)))
            return
        if self._frame_bytes > MAX_FRAME_BYTES:
            self._fail(Unreadable(f"more than {MAX_FRAME_BYTES} bytes of headers"))
            return
        self._stir()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._free and not self._ended:
            if self._headed and self._until_closed and exc is None:
                self._ended = True
            elif self._fault is None:
                self._fault = BrokenOff() if self._seen else Dropped()
        self._stir()
        self._keeper.lost(self)

    # What the parser calls. An interim reply (1xx) is read and passed over, as are trailers.

    def on_message_begin(self) -> None:
        if self._ended:  # a second reply to one request
            self._reusable = False
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._headers.clear()
        elif not self._headed:
            self.status = status
            self._headed = True
            self._reusable = self._parser.should_keep_alive()
            self._until_closed = (
                status not in _BODILESS
                and "content-length" not in self._headers
                and "transfer-encoding" not in self._headers
            )

    def on_body(self, body: bytes) -> None:
        self._frame_bytes = 0
        if self._ended or self._lagging:
            return
        self._chunks.append(body)
        self._held += len(body)
        if self._held > self._limit and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headed:
            self._frame_bytes = 0
            self._ended = True

    # Waiting.

    async def _until(self, wanted: _Wanted) -> None:
        """Wait until what is wanted may have come."""
        if self._fault is not None:
            raise self._fault
        self._wanted = wanted
        self._idle_at = self._loop.time() + self._limits.idle_seconds
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _stir(self) -> None:
        """Wake who waits if there is something for it; an exchange that was left ends here."""
        if self._lagging and (self._ended or self._closed):
            self._settle()
            return
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._fault is not None:
            waiter.set_exception(self._fault)
        elif self._ended or self._came():
            waiter.set_result(None)

    def _came(self) -> bool:
        match self._wanted:
            case _Wanted.HEAD:
                return self._headed
            case _Wanted.DATA:
                return bool(self._chunks)
            case _Wanted.END:
                return self._held > self._limit

    def _taken(self) -> bytes:
        """The bytes that have come; the upstream may send more."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks, self._held = [], 0
        self._resume()
        return data

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # Ending.

    def _fail(self, fault: TransportFault) -> None:
        self._fault = self._fault or fault
        self._transport.abort()
        self._stir()

    def _settle(self) -> None:
        """The exchange is over: whoever has the idle connections has it again, or it is closed."""
        self._free, self._lagging = True, False
        clean = self._ended and self._reusable and not self._paused
        if clean and not self._closed and not self._transport.get_write_buffer_size():
            self._keeper.took_back(self)
        elif not self._closed:
            self._transport.abort()

    # Deadlines.

    def _arm(self, at: float) -> None:
        """Have the timer go off at `at`, or before."""
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._closed:
            return
        now = self._loop.time()
        if self._free:
            self._when_due(self._idle_at, now)
        elif self._lagging:
            self._when_due(self._total_at, now)
        else:
            # A silence counts only while somebody waits for its end.
            idle_at = self._idle_at if self._waiter is not None else self._total_at
            due = min(idle_at, self._total_at)
            if now < due:
                self._arm(due)
            else:
                self._fail(Late())

    def _when_due(self, at: float, now: float) -> None:
        """Close an idle or lagging connection when its time has come."""
        if now < at:
            self._arm(at)
        else:
            self._transport.abort()
