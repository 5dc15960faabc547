"""The message of a call, read once there is room for it among the bodies that the process holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from shared.bodies import FREE_BYTES, Bodies
from shared.errors import Invalid, Unavailable
from shared.rpc.door import Door

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Decode = Callable[[bytes], object]


class Messages:
    """Reads messages as the door allows, as many at once as half of the budget surely holds.

    gRPC tells how large a message is only once it is here, so the largest is reserved until then.
    Whoever waits for a turn holds no more than gRPC's window of unread bytes.
    """

    def __init__(self, door: Door, bodies: Bodies) -> None:
        self._bodies = bodies
        self._seconds = door.message_seconds
        self._largest = min(door.max_message_bytes, bodies.budget_bytes)
        self._turns = asyncio.Semaphore(max(1, bodies.budget_bytes // (2 * self._largest)))

    @asynccontextmanager
    async def read(self, context: Context, decode: Decode) -> AsyncIterator[object]:
        """The message, which has its room until the block ends.

        Raises `Unavailable` when there is no room or it does not come, `Invalid` for what cannot be read.
        """
        raw = await self._arrived(context)
        held = self._kept(raw)
        try:
            message = _decoded(raw, decode)
            del raw  # or it would be held twice
            yield message
        finally:
            self._bodies.give(held)

    async def _arrived(self, context: Context) -> bytes:
        """The bytes of the message; what `_kept` says of them is still taken when it returns."""
        async with self._turns:
            await self._bodies.take(self._largest)
            kept = 0
            try:
                raw = await self._in_time(context)
                kept = self._kept(raw)
                return raw
            finally:
                self._bodies.give(self._largest - kept)

    async def _in_time(self, context: Context) -> bytes:
        # The time of a socket is real time, whatever clock the services run on.
        try:
            async with asyncio.timeout(self._seconds):
                raw = await context.read()
        except TimeoutError as late:
            raise Unavailable(
                f"The message did not arrive within {self._seconds:g} seconds."
            ) from late
        if not isinstance(raw, bytes):
            raise Invalid("The call ended without a message, or with one that is too large.")
        return raw

    def _kept(self, raw: bytes) -> int:
        return min(len(raw), self._largest) if len(raw) > FREE_BYTES else 0


def _decoded(raw: bytes, decode: Decode) -> object:
    try:
        return decode(raw)
    except DecodeError as error:
        raise Invalid("The message is not one that the method takes.") from error
