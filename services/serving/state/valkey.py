"""The state of a cluster, on a Valkey or Redis server: each step one script, so that it is done whole or not at all."""

import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from services.serving.state import scripts
from services.serving.state.port import Change, Claimed, Draw, Place, Taken
from services.serving.state.server import Server
from shared.clock import Clock

# In a cluster of servers all names must lie on one: what stands in braces decides which.
_PREFIX = "{leeway.serving}:"
_FENCES = f"{_PREFIX}fences"
_HOLDERS = f"{_PREFIX}holders"


class ValkeyState:
    """One worker's part in it; satisfies `State`. Open it before use; `Server` says what the URL is."""

    def __init__(
        self, url: str, clock: Clock, *, timeout_seconds: float, lease_seconds: float = 15.0
    ) -> None:
        self.server = Server(url, clock, timeout_seconds=timeout_seconds)
        self._lease_us = int(lease_seconds * 1_000_000)
        self._holder = secrets.token_hex(8)
        self._client = self.server.client
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
        await self.server.__aexit__(kind, error, trace)

    async def get(self, name: str) -> bytes | None:
        value: bytes | None = await self.server.asked(self._client.hget, _PREFIX + name, "value")
        return value

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self.server.asked(self._put, [_PREFIX + name, _FENCES], [value, _millis(seconds)])

    async def drop(self, name: str) -> None:
        await self.server.asked(self._client.delete, _PREFIX + name)

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        keys, told = [_PREFIX + name, _FENCES], [value, _millis(seconds)]
        fence, found = await self.server.asked(self._claim, keys, told)
        return Claimed(int(fence), found)

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        told = [fence, value, _millis(seconds)]
        return bool(await self.server.asked(self._replace, [_PREFIX + name], told))

    async def release(self, name: str, fence: int) -> bool:
        return bool(await self.server.asked(self._release, [_PREFIX + name], [fence]))

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        keys = [_PREFIX + draw.name for draw in draws]
        keys += [_PREFIX + place.name for place in places]
        told: list[int | str] = [len(draws), self._holder]
        for draw in draws:
            told += (draw.amount, draw.per_minute)
        told += [*(place.limit for place in places), self._lease_us]
        admitted, fills, busy = await self.server.asked(self._take, [*keys, _HOLDERS], told)
        return Taken(bool(admitted), [int(fill) for fill in fills], busy)

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        keys = [_PREFIX + name for name in (*(change.name for change in changes), *places)]
        told: list[int | str] = [len(changes), self._holder]
        for change in changes:
            told += (change.per_minute, change.by)
        await self.server.asked(self._give, keys, told)

    async def beat(self) -> int:
        return int(await self.server.asked(self._beat, [_HOLDERS], [self._holder, self._lease_us]))


def _millis(seconds: float) -> int:
    return max(1, int(seconds * 1000))
