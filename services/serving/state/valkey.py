"""The state of a cluster, on a Valkey or Redis server: each step one script, so that it is done whole or not at all."""

import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import structlog
from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.exceptions import ValkeyError

from services.serving.state import scripts
from services.serving.state.port import Change, Claimed, Draw, Place, StateAway, Taken
from shared.clock import Clock
from shared.errors import Invalid
from shared.metrics import STATE_FAILURES

log = structlog.get_logger()

# In a cluster of servers all names must lie on one: what stands in braces decides which.
_PREFIX = "{leeway.serving}:"
_FENCES = f"{_PREFIX}fences"
_HOLDERS = f"{_PREFIX}holders"
_REST_SECONDS = 1.0
_CONNECTIONS = 64


class ValkeyState:
    """One worker's connections to the server; satisfies `State`. Open it before use.

    A server that does not answer within `timeout_seconds` is left alone for a second: until then each step
    raises `StateAway` at once, so that what does without it is not slowed down. `url` is that of the client
    library: `valkey://` or `redis://`, with TLS `valkeys://` or `rediss://`, or `unix://`; a password stands in
    it, `?ssl_ca_certs=` names whom to trust. Raises `Invalid` for one that cannot be read.
    """

    def __init__(
        self, url: str, clock: Clock, *, timeout_seconds: float, lease_seconds: float = 15.0
    ) -> None:
        self._clock = clock
        self._lease_us = int(lease_seconds * 1_000_000)
        self._holder = secrets.token_hex(8)
        self._away_until = 0.0
        try:
            pool = BlockingConnectionPool.from_url(
                _of_this_library(url),
                max_connections=_CONNECTIONS,
                timeout=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
            )
        except ValueError as fault:
            raise Invalid(f"The URL of the shared state is wrong: {fault}.") from None
        self._client = Valkey.from_pool(pool)
        self._take = self._client.register_script(scripts.TAKE)
        self._give = self._client.register_script(scripts.GIVE)
        self._beat = self._client.register_script(scripts.BEAT)
        self._put = self._client.register_script(scripts.PUT)
        self._claim = self._client.register_script(scripts.CLAIM)
        self._replace = self._client.register_script(scripts.REPLACE)
        self._release = self._client.register_script(scripts.RELEASE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, name: str) -> bytes | None:
        value: bytes | None = await self._asked(self._client.hget, _PREFIX + name, "value")
        return value

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self._asked(self._put, [_PREFIX + name, _FENCES], [value, _millis(seconds)])

    async def drop(self, name: str) -> None:
        await self._asked(self._client.delete, _PREFIX + name)

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        keys, told = [_PREFIX + name, _FENCES], [value, _millis(seconds)]
        fence, found = await self._asked(self._claim, keys, told)
        return Claimed(int(fence), found)

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        told = [fence, value, _millis(seconds)]
        return bool(await self._asked(self._replace, [_PREFIX + name], told))

    async def release(self, name: str, fence: int) -> bool:
        return bool(await self._asked(self._release, [_PREFIX + name], [fence]))

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        keys = [_PREFIX + draw.name for draw in draws]
        keys += [_PREFIX + place.name for place in places]
        told: list[int | str] = [len(draws), self._holder]
        for draw in draws:
            told += (draw.amount, draw.per_minute)
        told += [place.limit for place in places]
        admitted, fills, busy = await self._asked(self._take, [*keys, _HOLDERS], told)
        return Taken(bool(admitted), [int(fill) for fill in fills], busy)

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        keys = [_PREFIX + name for name in (*(change.name for change in changes), *places)]
        told: list[int | str] = [len(changes), self._holder]
        for change in changes:
            told += (change.per_minute, change.by)
        await self._asked(self._give, keys, told)

    async def beat(self) -> int:
        return int(await self._asked(self._beat, [_HOLDERS], [self._holder, self._lease_us]))

    async def _asked(self, step: Any, *told: Any) -> Any:
        """The server's answer. Raises `StateAway`, for a while without asking."""
        if self._clock.monotonic() < self._away_until:
            raise StateAway("its server did not answer a moment ago")
        try:
            return await step(*told)
        except (ValkeyError, OSError) as fault:
            self._away_until = self._clock.monotonic() + _REST_SECONDS
            STATE_FAILURES.inc()
            # The kind alone: the sentence may hold the address, and with it a password.
            log.warning("state.away", error=type(fault).__name__)
            raise StateAway(f"its server failed ({type(fault).__name__})") from fault


def _of_this_library(url: str) -> str:
    """Redis' schemes are the library's, too, under another name."""
    return url.replace("redis", "valkey", 1) if url.startswith("redis") else url


def _millis(seconds: float) -> int:
    return max(1, int(seconds * 1000))
