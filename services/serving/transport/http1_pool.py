"""The HTTP/1.1 connections of one origin: the one used last is used next, and waiters are served in turn."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.serving.transport.http1 import Http1Connection
from services.serving.transport.port import (
    Late,
    Origin,
    Post,
    TransportLimits,
    Unconnected,
)
from services.serving.transport.render import request_head


class Http1Pool:
    """Satisfies `Pool`, and keeps its connections (`http1.Keeper`)."""

    def __init__(self, origin: Origin, limits: TransportLimits, tls: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._limits = limits
        self._tls = tls
        self._all: set[Http1Connection] = set()
        self._connecting = 0
        self._idle: dict[Http1Connection, None] = {}  # in the order in which they became so
        self._waiting: deque[asyncio.Future[Http1Connection | None]] = deque()

    async def ask(self, post: Post) -> Http1Connection:
        head = request_head(self._origin, post)
        connection = self._take_idle() or await self._another()
        connection.ask(head, post.body)
        return connection

    async def warm(self) -> None:
        while len(self._idle) < self._limits.ready and self._has_room:
            async with self._in_time():
                connection = await self._connect()
            self.took_back(connection)

    async def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()

    def took_back(self, connection: Http1Connection) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle[connection] = None
        connection.keep()

    def lost(self, connection: Http1Connection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)
        self._let_one_connect()

    @property
    def _has_room(self) -> bool:
        return len(self._all) + self._connecting < self._limits.connections

    def _take_idle(self) -> Http1Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.usable:
                return connection
        return None

    async def _another(self) -> Http1Connection:
        """A new connection, or one that gets free, whichever the limit allows, within one deadline."""
        async with self._in_time():
            while not self._has_room:
                connection = await self._next_free()
                if connection is not None and connection.usable:
                    return connection
            return await self._connect()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                yield
        except TimeoutError as fault:
            raise Late from fault

    async def _next_free(self) -> Http1Connection | None:
        """A connection that was given back; None when there is room for a new one."""
        waiter: asyncio.Future[Http1Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._hand_on(waiter)
            raise

    def _hand_on(self, waiter: "asyncio.Future[Http1Connection | None]") -> None:
        """Who waited has gone, perhaps in the moment in which it was given one."""
        if not waiter.done() or waiter.cancelled():
            return
        connection = waiter.result()
        if connection is None:
            self._let_one_connect()
        elif connection.usable:
            self.took_back(connection)

    def _let_one_connect(self) -> None:
        """Tell who has waited longest that there may be room: it looks again itself."""
        while self._waiting and self._has_room:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _connect(self) -> Http1Connection:
        self._connecting += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Http1Connection(self, self._limits),
                self._origin.host,
                self._origin.port,
                ssl=self._tls,
            )
            self._all.add(connection)
        except OSError as fault:  # a certificate's faults among them
            raise Unconnected(str(fault)) from fault
        finally:
            self._connecting -= 1
            self._let_one_connect()
        return connection
