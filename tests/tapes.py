"""A server on a real socket that plays recorded replies of providers: whole, cut off, or never."""

import asyncio
import binascii
import json
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

Json = dict[str, Any]

CASSETTES = Path(__file__).with_name("cassettes")


@dataclass(frozen=True)
class Recording:
    """A reply as it is played: after its last piece it ends, is `cut` off, or is `held` open for ever."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[bytes] = ()
    cut: bool = False
    held: bool = False


@dataclass
class Player:
    """What it plays, and what it was asked; `left` is set when a caller goes away from a held reply."""

    recording: Recording = field(default_factory=Recording)
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request; none where a connection was only kept ready."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        self.path = head[0].split(" ")[1]
        pairs = (line.split(":", 1) for line in head[1:] if line)
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self.body = await reader.readexactly(int(self.headers["content-length"]))
        self.asked.set()
        await self._play(writer)
        if self.recording.held:
            await reader.read()
            self.left.set()
        writer.close()
        await writer.wait_closed()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        played = self.recording
        if played.held and not played.pieces:
            return
        phrase = HTTPStatus(played.status).phrase if played.status in _STATUSES else "Other"
        told = {**played.headers, "transfer-encoding": "chunked", "connection": "close"}
        lines = [f"HTTP/1.1 {played.status} {phrase}", *(f"{k}: {v}" for k, v in told.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for piece in played.pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if not played.cut and not played.held:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


@asynccontextmanager
async def playing() -> AsyncIterator[Player]:
    """A player on a free port."""
    player = Player()
    server = await asyncio.start_server(player.answer, "127.0.0.1", 0)
    async with server:
        player.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield player


def cassette(provider: str, case: str) -> Json:
    """A recording by its provider and its case."""
    recording: Json = json.loads((CASSETTES / provider / f"{case}.json").read_bytes())
    return recording


def cases(provider: str) -> list[str]:
    """The cases of a provider, its errors apart."""
    found = sorted(path.stem for path in (CASSETTES / provider).glob("*.json"))
    return [case for case in found if case != "errors"]


def sse(event: Any, *, named: bool) -> bytes:
    """A server-sent event, under the name of its type where the protocol names them."""
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    data = json.dumps(event)
    name = f"event: {event['type']}\n" if named and "type" in event else ""
    return f"{name}data: {data}\n\n".encode(errors="replace")


def frame(kind: str, payload: Json) -> bytes:
    """A message of AWS's event stream; a kind with `!` before it is an exception."""
    if kind.startswith("!"):
        headers = {":exception-type": kind[1:], ":message-type": "exception"}
    else:
        headers = {":event-type": kind, ":message-type": "event"}
    return frame_of({**headers, ":content-type": "application/json"}, json.dumps(payload).encode())


def frame_of(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message of AWS's event stream with these headers, all texts."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value
        for name, value in ((name, text.encode()) for name, text in headers.items())
    )
    return framed(packed, payload)


def framed(headers: bytes, payload: bytes) -> bytes:
    """A message of AWS's event stream around headers as they are."""
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


_STATUSES = frozenset(status.value for status in HTTPStatus)
