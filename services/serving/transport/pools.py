"""Every origin that the process asks, each with a pool of its own."""

import asyncio
import ssl
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import Self

from services.serving.transport.http1_pool import Http1Pool
from services.serving.transport.port import (
    Exchange,
    Origin,
    Place,
    Pool,
    Post,
    TransportFault,
    TransportLimits,
)


class Pools:
    """Open it before use; closing it ends every connection.

    An origin that is warmed has its idle connections opened again as they end, at most once a keep-alive time.
    """

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._pools: dict[Origin, Pool] = {}
        self._warm: set[Origin] = set()
        self._warming: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._warming is not None:
            self._warming.cancel()
            with suppress(asyncio.CancelledError):
                await self._warming
        for pool in self._pools.values():
            await pool.close()

    async def ask(self, place: Place, post: Post) -> Exchange:
        """Send a request where it belongs. Raises `TransportFault`."""
        return await self._pool(place.origin).ask(post)

    def warm(self, origin: Origin) -> None:
        """Have connections ready for an origin from now on, as many as the limits say."""
        if not self._limits.ready or origin in self._warm:
            return
        self._warm.add(origin)
        if self._warming is not None:
            self._warming.cancel()
        self._warming = asyncio.create_task(self._keep_warm())

    async def _keep_warm(self) -> None:
        while True:
            await asyncio.gather(*(self._warmed(origin) for origin in self._warm))
            await asyncio.sleep(self._limits.keep_alive_seconds)

    async def _warmed(self, origin: Origin) -> None:
        # An origin that cannot be reached now is tried again the next time; a call says what is wrong.
        with suppress(TransportFault):
            await self._pool(origin).warm()

    def _pool(self, origin: Origin) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new(origin)
        return pool

    def _new(self, origin: Origin) -> Pool:
        return Http1Pool(origin, self._limits, self._tls if origin.secure else None)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()
