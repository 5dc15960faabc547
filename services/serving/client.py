"""The client at the other end: what it is sent, and when it is gone."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from starlette.types import Receive, Send

Headers = Iterable[tuple[bytes, bytes]]


class ClientLeft(Exception):
    """The client closed its connection, or took nothing for too long."""


class Client:
    """One request's connection. What is sent waits for a slow reader, but not for ever."""

    def __init__(self, receive: Receive, send: Send, idle_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._idle_seconds = idle_seconds

    def asked(self) -> None:
        """An upstream may have been asked from now on: what is refused is an answer, too."""

    def watched(self) -> "Watch":
        """A block that ends with `ClientLeft` as soon as the client goes away; the body must have been read."""
        return Watch(self._receive)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.finish(body)

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the status and headers of a response."""
        await self._out({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, body: bytes) -> None:
        """Send a part of the body. Raises `ClientLeft` when the client takes nothing for too long."""
        await self._out({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes) -> None:
        """Send the last part of the body."""
        await self._out({"type": "http.response.body", "body": body})

    async def break_off(self, body: bytes) -> None:
        """Send the last part of a body that is not whole, and never will be."""
        await self.finish(body)

    async def _out(self, message: dict[str, object]) -> None:
        try:
            async with asyncio.timeout(self._idle_seconds):
                await self._send(message)
        except (TimeoutError, OSError) as fault:
            raise ClientLeft from fault


class Watch:
    """Cancels the block when the client disconnects, and says so: `asyncio.timeout`'s way of doing it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a request is served inside of a task"
        self._task = task
        self._cancelling = task.cancelling()
        self._watcher = asyncio.create_task(self._until_gone())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watcher.cancel()
        if not self._left:
            return
        # Uncancelled to where it began: nobody else asked for the cancellation.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientLeft from error

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()
