"""Requests must arrive: headers and body each within a deadline, and headers within a size."""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.errors import Invalid
from shared.http import error_response
from shared.identified import HEADER
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Arrival:
    """How long a client may take to send the headers of a request, and then its body; how large the headers."""

    header_seconds: float = 10.0
    body_seconds: float = 60.0
    max_header_bytes: int = 64 * 1024


class ArrivalConfig(uvicorn.Config):
    """Uvicorn's configuration, with the bounds of an arrival.

    Once it is `draining`, each answer that begins is the last of its connection, and one on which nothing is
    asked is closed after `linger_seconds`: what its client had just sent would be reset if it were closed at once.
    """

    def __init__(
        self, app: ASGIApp, arrival: Arrival, *, linger_seconds: float = 0.0, **settings: Any
    ) -> None:
        super().__init__(app, http=ArrivalProtocol, **settings)
        self.arrival = arrival
        self.linger_seconds = linger_seconds
        self.draining = False


class _Part(Enum):
    """What of a request is awaited."""

    HEADERS = auto()
    BODY = auto()


class ArrivalProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1, which by itself waits for the rest of a request for ever.

    A request that is late is answered 408, unless its answer has begun, and its connection closed.
    The time of a socket is real time, whatever clock the services run on.
    """

    config: ArrivalConfig

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._awaited = _Part.HEADERS
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._begun = False  # a request whose end has not come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathered(transport, self.loop))
        self._await(_Part.HEADERS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and not self._answering:
            self._await(_Part.HEADERS)
        if self._awaited is _Part.HEADERS:
            self._header_bytes += len(data)
        super().data_received(data)
        too_large = self._header_bytes > self.config.arrival.max_header_bytes
        if too_large and self._awaited is _Part.HEADERS and not self.transport.is_closing():
            limit = self.config.arrival.max_header_bytes
            self._refuse(431, "headers_too_large", f"The headers are larger than {limit} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True
        if self._timer is None:
            self._await(_Part.HEADERS)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.config.draining and self.cycle is not None:
            self.cycle.keep_alive = False
        self._await(_Part.BODY)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._begun = False
        self._disarm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.config.draining:
            self._linger()

    def shutdown(self) -> None:
        if not self._answering:
            self._linger()
        elif not self.cycle.response_started:
            super().shutdown()
        # An answer whose headers are gone has said that its connection stays: it lingers when that has ended.

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "invalid_http", msg)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _linger(self) -> None:
        self.loop.call_later(self.config.linger_seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not (self._answering or self._begun or self.transport.is_closing()):
            self.transport.close()

    def _await(self, part: _Part) -> None:
        self._disarm()
        self._awaited = part
        self._header_bytes = 0
        self._timer = self.loop.call_later(self._seconds, self._on_late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _seconds(self) -> float:
        arrival = self.config.arrival
        return arrival.header_seconds if self._awaited is _Part.HEADERS else arrival.body_seconds

    def _on_late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is this side that does not read
            self._await(self._awaited)
        elif self._awaited is _Part.BODY:
            self._give_up(told=self.cycle.response_started)
        elif self._answering:  # the next request is late; this one's answer is not its fault
            self.cycle.keep_alive = False
        else:
            self._give_up(told=not self._begun)

    def _give_up(self, *, told: bool) -> None:
        """Close the connection; with a 408 unless there is nothing (more) to tell its client."""
        if told:
            self.transport.close()
            return
        part = self._awaited.name.lower()
        sentence = f"The {part} of the request did not arrive within {self._seconds:g} seconds."
        self._refuse(408, f"{part}_timeout", sentence)

    def _refuse(self, status: int, code: str, sentence: str) -> None:
        """Answer instead of the application, which is told that its client has left."""
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = bytes(error_response(Invalid(sentence, code=code, status=status)).body)
        named = b"%b: %b\r\n" % (HEADER, new_id().encode())
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + named + head % len(body) + body)
        self.transport.close()


class Gathered(asyncio.Transport):
    """Sends what is written within one turn of the loop at once, a head with its body; closing sends it first.

    A call of the system and a wake-up of the reader cost more than all else that an answer passes here.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: Any) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def _send(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
