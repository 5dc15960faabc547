"""An HTTP/2 connection (RFC 9113): many exchanges at once, each with a window of its own. The frames are h2's."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from services.serving.transport.http1 import HIGH_WATER_BYTES, LAG_SECONDS
from services.serving.transport.port import (
    BrokenOff,
    Dropped,
    Late,
    Origin,
    Post,
    TransportFault,
    TransportLimits,
    Unreadable,
)
from services.serving.transport.render import request_fields

MAX_STREAMS = 100
# Of the whole connection: more than all of its streams may hold, so that none waits for another's reader.
CONNECTION_WINDOW_BYTES = (MAX_STREAMS + 1) * HIGH_WATER_BYTES
MAX_HEADER_BYTES = 64 * 1024

_STATUS = re.compile(r"[2-9][0-9]{2}")

_OURS = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.INITIAL_WINDOW_SIZE: HIGH_WATER_BYTES,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
}


class Http2Exchange:
    """One stream; satisfies `Exchange`."""

    def __init__(self, connection: "Http2Connection", stream_id: int, body: bytes) -> None:
        self._connection = connection
        self.stream_id = stream_id
        self.unsent = memoryview(body)
        self.status = 0
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._unread = 0  # what the chunks took of the window
        self.headed = self.ended = False
        self._fault: TransportFault | None = None
        self._waiter: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        self._total_at = loop.time() + connection.limits.total_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @property
    def over(self) -> bool:
        """Whether nothing more of it comes."""
        return self.ended or self._fault is not None

    async def head(self) -> None:
        await self._until(lambda: self.headed)

    async def whole(self, limit: int) -> bytes | None:
        body = bytearray()
        while piece := await self.read():
            body += piece
            if len(body) > limit:
                return None
        return bytes(body)

    async def read(self) -> bytes:
        await self._until(lambda: bool(self._chunks) or self.ended)
        data, taken = b"".join(self._chunks), self._unread
        self._chunks, self._unread = [], 0
        self._connection.taken(self, taken)
        return data

    def leave(self, *, whole: bool) -> None:
        if whole and not self.over:
            asyncio.get_running_loop().call_later(LAG_SECONDS, self._connection.cancel, self)
        else:
            self._connection.cancel(self)

    # What the connection tells it.

    def answered(self, event: ResponseReceived) -> None:
        for name, value in event.headers or ():
            key, text = bytes(name).decode("latin-1"), bytes(value).decode("latin-1")
            before = self._headers.get(key)
            self._headers[key] = text if before is None else f"{before}, {text}"
        status = self._headers.pop(":status")
        if not _STATUS.fullmatch(status):
            self.fail(Unreadable(f"the status {status[:16]!r}"))
            return
        self.status = int(status)
        self.headed = True
        self._stir()

    def came(self, data: bytes, window_bytes: int) -> None:
        if data:
            self._chunks.append(data)
        self._unread += window_bytes
        self._stir()

    def end(self) -> None:
        if self.headed:
            self.ended = True
        else:
            self.fail(Unreadable("an end without a beginning"))
        self._stir()

    def fail(self, fault: TransportFault) -> None:
        if not self.ended:
            self._fault = self._fault or fault
        self._stir()

    async def _until(self, holds: Callable[[], bool]) -> None:
        loop, limits = asyncio.get_running_loop(), self._connection.limits
        while not holds():
            if self._fault is not None:
                raise self._fault
            self._waiter = loop.create_future()
            try:
                async with asyncio.timeout_at(
                    min(loop.time() + limits.idle_seconds, self._total_at)
                ):
                    await self._waiter
            except TimeoutError as fault:
                raise Late from fault
            finally:
                self._waiter = None

    def _stir(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Http2Connection(asyncio.Protocol):
    """The connection of many exchanges. It closes itself when it has had none for a while."""

    def __init__(
        self, origin: Origin, limits: TransportLimits, lost: Callable[["Http2Connection"], None]
    ) -> None:
        self.limits = limits
        self._origin = origin
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._exchanges: dict[int, Http2Exchange] = {}
        self._leaving = False  # it takes no more exchanges
        self._idle: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether one more exchange may begin on it."""
        most = min(MAX_STREAMS, self._h2.remote_settings.max_concurrent_streams)
        return not self._leaving and len(self._exchanges) < most

    def ask(self, post: Post) -> Http2Exchange:
        """Begin an exchange. Raises `ValueError` for a request that cannot be said."""
        fields = request_fields(self._origin, post)
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, fields)
        exchange = Http2Exchange(self, stream_id, post.body)
        self._exchanges[stream_id] = exchange
        if self._idle is not None:
            self._idle.cancel()
        self._send_body(exchange)
        self._flush()
        return exchange

    def taken(self, exchange: Http2Exchange, window_bytes: int) -> None:
        """The reader of an exchange has room for so many bytes again."""
        if window_bytes and not self._transport.is_closing():
            self._h2.acknowledge_received_data(window_bytes, exchange.stream_id)
            self._flush()

    def cancel(self, exchange: Http2Exchange) -> None:
        """An exchange is left. One whose reply, or whose request, is not whole is reset: nobody works on it any more."""
        if self._exchanges.pop(exchange.stream_id, None) is None:
            return
        unfinished = not exchange.over or (exchange.ended and len(exchange.unsent))
        if unfinished and not self._transport.is_closing():
            self._h2.reset_stream(exchange.stream_id, ErrorCodes.CANCEL)
            self._flush()
        if not self._exchanges:
            self._await_use()

    def close(self) -> None:
        """Close it at once."""
        self._leaving = True
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._h2.local_settings = Settings(client=True, initial_values=_OURS)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES)
        self._flush()
        self._await_use()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as fault:
            self._flush()
            self._fail(Unreadable(str(fault)))
            self.close()
            return
        for event in events:
            self._take(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leaving = True
        if self._idle is not None:
            self._idle.cancel()
        self._fail(BrokenOff())
        self._lost(self)

    def _take(self, event: Event) -> None:
        match event:
            case WindowUpdated() | RemoteSettingsChanged():
                for exchange in self._exchanges.values():
                    self._send_body(exchange)
            case ConnectionTerminated():
                self._leaving = True
                last = event.last_stream_id or 0
                for exchange in self._exchanges.values():
                    if exchange.stream_id > last:
                        exchange.fail(Dropped())
            case ResponseReceived() | DataReceived() | StreamEnded() | StreamReset():
                self._tell(event)
            case _:
                pass  # pings, trailers, interim replies: h2 has answered what wants an answer

    def _tell(self, event: ResponseReceived | DataReceived | StreamEnded | StreamReset) -> None:
        exchange = self._exchanges.get(event.stream_id or 0)
        match event:
            case DataReceived() if exchange is None:
                # Of a stream that was left: the connection's window is wanted back.
                self._h2.acknowledge_received_data(
                    event.flow_controlled_length or 0, event.stream_id or 0
                )
            case _ if exchange is None:
                pass
            case ResponseReceived():
                exchange.answered(event)
            case DataReceived():
                exchange.came(event.data or b"", event.flow_controlled_length or 0)
            case StreamEnded():
                exchange.end()
            case StreamReset():
                refused = event.error_code == ErrorCodes.REFUSED_STREAM
                exchange.fail(Dropped() if refused else BrokenOff())

    def _send_body(self, exchange: Http2Exchange) -> None:
        """As much of a request's body as the windows let through."""
        while len(exchange.unsent) and not exchange.over:
            room = min(
                self._h2.local_flow_control_window(exchange.stream_id),
                self._h2.max_outbound_frame_size,
            )
            if room <= 0:
                return
            piece, exchange.unsent = exchange.unsent[:room], exchange.unsent[room:]
            last = not len(exchange.unsent)
            self._h2.send_data(exchange.stream_id, bytes(piece), end_stream=last)

    def _fail(self, fault: TransportFault) -> None:
        for exchange in tuple(self._exchanges.values()):
            untouched = isinstance(fault, BrokenOff) and not exchange.headed
            exchange.fail(Dropped() if untouched else fault)

    def _await_use(self) -> None:
        """Close it when nothing is asked for a while."""
        if self._leaving:
            self._transport.close()
            return
        self._idle = self._loop.call_later(self.limits.keep_alive_seconds, self.close)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)
