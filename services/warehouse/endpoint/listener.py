"""The port of the interface: a server on a socket that somebody else opened, or that it opens itself."""

import asyncio
import socket
from types import TracebackType
from typing import Self

from starlette.applications import Starlette

from shared.server import Server

DRAIN_SECONDS = 5.0


class Listener:
    """Serves an application while it is entered; on the way out what is in flight ends first."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        self._server = Server(app, drain_seconds=DRAIN_SECONDS)
        self._socket = listener
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve_on(self._socket))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.drain()
        if self._serving is not None:
            await self._serving
