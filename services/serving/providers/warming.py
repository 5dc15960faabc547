"""Keeps connections to the live upstreams ready, so that no call waits for a handshake."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from yarl import URL

from services.serving.providers.upstream import UpstreamHttp
from shared.live import LiveView, Provider

LOOK_SECONDS = 1.0


class Warming:
    """Opens what is missing once a second: at the start, after idle connections ended, and for a new provider.

    `addresses` are those of the kinds of providers that have one of their own. The time of a socket is real time.
    """

    def __init__(self, live: LiveView, http: UpstreamHttp, addresses: Mapping[str, str]) -> None:
        self._live = live
        self._http = http
        self._addresses = addresses

    async def run(self, stop: asyncio.Event) -> None:
        """Keep them ready until `stop` is set."""
        while not stop.is_set():
            await asyncio.gather(*(self._warm(one) for one in self._live.providers.values()))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def _warm(self, provider: Provider) -> None:
        url = provider.base_url or self._addresses.get(provider.kind, "")
        if url:
            await self._http.spoken_by(provider).warm(URL(url))
