"""A stream on its way to its client: begun when it must be, and never silent for long."""

import asyncio
from types import TracebackType
from typing import Self

from services.serving.client import Client, ClientLeft, Headers


class Outgoing:
    """Sends the parts of one stream, as a block; in it a client that is sent nothing for a while hears a sign of life.

    The status goes with the first part, or with the first sign of life: from then on an error is an event.
    """

    def __init__(
        self, client: Client, headers: Headers, alive: bytes, quiet_seconds: float
    ) -> None:
        self._client = client
        self._headers = headers
        self._alive = alive
        self._quiet_seconds = quiet_seconds
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._sending = asyncio.Lock()
        self._sign: asyncio.Task[None] | None = None
        self.begun = False

    async def __aenter__(self) -> Self:
        self._timer = self._loop.call_later(self._quiet_seconds, self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._sign is not None:
            # It is bounded by the client's own patience; cut off, it might leave half of itself behind.
            await asyncio.gather(self._sign, return_exceptions=True)

    async def write(self, part: bytes) -> None:
        """Send whole events. Raises `ClientLeft`."""
        async with self._sending:
            await self._write(part)

    async def _write(self, part: bytes) -> None:
        if not self.begun:
            self.begun = True
            await self._client.begin(200, self._headers)
        self._sent_at = self._loop.time()
        await self._client.write(part)

    def _look(self) -> None:
        quiet = self._loop.time() - self._sent_at
        left = self._quiet_seconds - quiet
        if left <= 0:
            left = self._quiet_seconds
            if self._sign is None or self._sign.done():
                self._sign = asyncio.create_task(self._say())
        self._timer = self._loop.call_later(left, self._look)

    async def _say(self) -> None:
        async with self._sending:
            try:
                await self._write(self._alive)
            except ClientLeft:
                return  # who writes next learns of it as well
