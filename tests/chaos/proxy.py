"""A TCP proxy on loopback that does to connections what networks do: delay, trickle, cut, half-open, lost replies."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET, socket

CHUNK_BYTES = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # close with a reset: what was not read is gone


@dataclass(eq=False, slots=True)
class _Link:
    """One connection: the client's side, the server's, and what was asked last."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    asked: bytes = b""
    stranded: bool = False

    def reset(self) -> None:
        for side in (self.client, self.server):
            connection: socket | None = side.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                connection.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
            side.transport.abort()


@dataclass(slots=True)
class Proxy:
    """Stands before a server. Every fault may be switched while connections are open, and holds for those too.

    `delay_seconds` is waited before each piece of a request goes on, `reply_delay_seconds` before each of a
    reply; `trickle_bytes` is how many bytes pass in a second, 0 for all of them. The methods are the other
    faults; `connections` and `lost_replies` count, and `held` is how many pieces `hold` keeps back now.
    """

    port: int
    target_port: int
    delay_seconds: float = 0.0
    reply_delay_seconds: float = 0.0
    trickle_bytes: int = 0
    connections: int = 0
    lost_replies: int = 0
    held: int = 0
    _losing: tuple[int, bytes] = (0, b"")
    _refusing: bool = False
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set[_Link] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where an HTTP client finds the server behind it."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every open connection; new ones are made as ever."""
        for link in list(self._links):
            link.reset()

    def go_down(self) -> None:
        """The server is gone: open connections are reset, and new ones as soon as they are made."""
        self._refusing = True
        self.cut()

    def come_up(self) -> None:
        """The end of `go_down`."""
        self._refusing = False

    def hold(self) -> None:
        """Half-open: connections are made and stay, bytes are taken, and nothing goes on to either side."""
        self._flowing.clear()

    def release(self) -> None:
        """The end of `hold`: what was held goes on."""
        self._flowing.set()

    def strand(self) -> None:
        """What is open now is dead, and nobody is told: it takes bytes and gives none. New connections are well."""
        for link in self._links:
            link.stranded = True

    def lose_replies(self, count: int, *, to: bytes = b"") -> None:
        """Of the next requests that hold `to`, let `count` be done, and reset their connection instead of replying."""
        self._losing = (count, to)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """End every connection."""
        self.go_down()
        self.release()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        link = _Link(writer, server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass_requests(reader, link), self._pass_replies(answers, link)
            )
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            writer.close()
            server.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while piece := await reader.read(CHUNK_BYTES):
            link.asked = piece if len(piece) == CHUNK_BYTES else link.asked[-CHUNK_BYTES:] + piece
            await asyncio.sleep(self.delay_seconds)
            await self._write(link, link.server, piece)
        with suppress(OSError):
            link.server.write_eof()

    async def _pass_replies(self, answers: asyncio.StreamReader, link: _Link) -> None:
        while piece := await answers.read(CHUNK_BYTES):
            if self._loses(link):
                link.reset()
                return
            link.asked = b""
            await asyncio.sleep(self.reply_delay_seconds)
            await self._write(link, link.client, piece)
        link.client.close()

    def _loses(self, link: _Link) -> bool:
        count, to = self._losing
        if not count or to not in link.asked:
            return False
        self._losing = (count - 1, to)
        self.lost_replies += 1
        return True

    async def _write(self, link: _Link, side: asyncio.StreamWriter, piece: bytes) -> None:
        self.held += 1
        await self._flowing.wait()
        self.held -= 1
        if link.stranded:
            return
        while piece:
            step = self.trickle_bytes or len(piece)
            side.write(piece[:step])
            await side.drain()
            piece = piece[step:]
            if piece:
                await asyncio.sleep(1)


@asynccontextmanager
async def a_proxy(target_port: int) -> AsyncIterator[Proxy]:
    """A proxy before a port of loopback, on a free port, without a fault to begin with."""
    proxy = Proxy(0, target_port)
    proxy.release()
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
