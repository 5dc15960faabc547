"""The HTTP/2 connections of one origin: one, until it has as many exchanges as it may."""

import asyncio
import ssl

from services.serving.transport.http2 import Http2Connection, Http2Exchange
from services.serving.transport.port import Late, Origin, Post, TransportLimits, Unconnected

PROTOCOL = "h2"


class Http2Pool:
    """Satisfies `Pool`. `tls` must offer `PROTOCOL`; without it, HTTP/2 is spoken by prior knowledge."""

    def __init__(self, origin: Origin, limits: TransportLimits, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._limits = limits
        self._tls = tls
        self._open: list[Http2Connection] = []
        self._turn = asyncio.Lock()

    async def ask(self, post: Post) -> Http2Exchange:
        return (self._usable() or await self._another()).ask(post)

    async def warm(self) -> None:
        if self._limits.ready and self._usable() is None:
            await self._another()

    async def close(self) -> None:
        for connection in tuple(self._open):
            connection.close()

    def _usable(self) -> Http2Connection | None:
        return next((one for one in self._open if one.usable), None)

    async def _another(self) -> Http2Connection:
        """A new connection; whoever came while it was made shares it."""
        try:
            async with asyncio.timeout(self._limits.connect_seconds), self._turn:
                return self._usable() or await self._connect()
        except TimeoutError as fault:
            raise Late from fault

    async def _connect(self) -> Http2Connection:
        try:
            transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: Http2Connection(self._origin, self._limits, self._lost),
                self._origin.host,
                self._origin.port,
                ssl=self._tls,
            )
        except OSError as fault:  # a certificate's faults among them
            raise Unconnected(str(fault)) from fault
        agreed = transport.get_extra_info("ssl_object")
        if agreed is not None and agreed.selected_alpn_protocol() != PROTOCOL:
            connection.close()
            raise Unconnected("it does not speak HTTP/2")
        self._open.append(connection)
        return connection

    def _lost(self, connection: Http2Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
