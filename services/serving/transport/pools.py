"""Every origin that the process asks, each with a pool of its own."""

import ssl
from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import Self

from services.serving.transport.http1_pool import Http1Pool
from services.serving.transport.http2_pool import PROTOCOL, Http2Pool
from services.serving.transport.port import (
    Exchange,
    Origin,
    Place,
    Pool,
    Post,
    TransportLimits,
)


class Pools:
    """Open it before use; closing it ends every connection."""

    def __init__(
        self,
        limits: TransportLimits,
        new_tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._limits = limits
        self._new_tls = new_tls
        self._pools: dict[Origin, Pool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in self._pools.values():
            await pool.close()

    async def ask(self, place: Place, post: Post) -> Exchange:
        """Send a request where it belongs. Raises `TransportFault`."""
        return await self._pool(place.origin).ask(post)

    async def warm(self, origin: Origin) -> None:
        """Have as many idle connections to an origin as the limits say shall be ready. Raises `TransportFault`."""
        await self._pool(origin).warm()

    def _pool(self, origin: Origin) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new(origin)
        return pool

    def _new(self, origin: Origin) -> Pool:
        if origin.http2:
            return Http2Pool(origin, self._limits, self._tls_of_http2 if origin.secure else None)
        return Http1Pool(origin, self._limits, self._tls if origin.secure else None)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._new_tls()

    @cached_property
    def _tls_of_http2(self) -> ssl.SSLContext:
        tls = self._new_tls()
        tls.set_alpn_protocols([PROTOCOL])
        return tls
