"""Kept answers in a worker's memory, and on a real Valkey server, each held to one suite."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from valkey.asyncio import Valkey

from services.serving.cache.local import LocalCache
from services.serving.cache.port import Cache
from services.serving.cache.valkey import ValkeyCache
from services.serving.state.port import StateAway
from services.serving.state.server import Server
from shared.clock import SimulatedClock
from tests.builders import NOW
from tests.contract.cache_suite import (
    ACME,
    LONG_AGO,
    QUESTIONS,
    CacheSuite,
    a_key,
    a_question,
    a_saved,
)
from tests.valkey import ValkeyServer, a_valkey


@dataclass
class Kept:
    """A cache on a clock that the test moves."""

    cache: Cache
    clock: SimulatedClock

    async def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestLocalCache(CacheSuite):
    @pytest.fixture
    def kept(self) -> Kept:
        clock = SimulatedClock(NOW)
        return Kept(LocalCache(clock, capacity_bytes=1_000_000, questions=QUESTIONS), clock)

    async def test_what_leaves_for_want_of_room_is_not_near_either(self) -> None:
        cache = LocalCache(SimulatedClock(NOW), capacity_bytes=3_000, questions=QUESTIONS)

        for name in ("1", "2", "3", "4"):
            saved = a_saved(bytes(1_000), likeness=a_question(float(name) * 20))
            await cache.put(ACME, a_key(name), saved, 60)

        assert await cache.get(ACME, a_key("1")) is None
        assert await cache.near(ACME, a_question(20), 0.001, LONG_AGO) is None
        assert await cache.near(ACME, a_question(80), 0.001, LONG_AGO) is not None

    async def test_what_is_larger_than_all_the_room_is_not_kept(self) -> None:
        cache = LocalCache(SimulatedClock(NOW), capacity_bytes=3_000, questions=QUESTIONS)
        await cache.put(ACME, a_key("1"), a_saved(), 60)

        await cache.put(ACME, a_key("2"), a_saved(bytes(3_001), likeness=a_question()), 60)

        assert await cache.get(ACME, a_key("2")) is None
        assert await cache.near(ACME, a_question(), 0.5, LONG_AGO) is None
        assert await cache.get(ACME, a_key("1")) is not None


class TestValkeyCache(CacheSuite):
    @pytest.fixture
    async def valkey(self, tmp_path: Path) -> AsyncIterator[ValkeyServer]:
        async with a_valkey(tmp_path) as server:
            yield server

    @pytest.fixture
    async def kept(self, valkey: ValkeyServer) -> AsyncIterator[Kept]:
        clock = SimulatedClock(NOW)
        async with Server(valkey.url, clock, timeout_seconds=5) as server:
            yield Kept(ValkeyCache(server, clock, questions=QUESTIONS), clock)

    async def test_everything_on_the_server_has_an_end(
        self, valkey: ValkeyServer, kept: Kept
    ) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question()), 60)

        async with Valkey.from_url(valkey.url) as client:
            ends = {name: await client.pttl(name) for name in await client.keys("*")}

        assert len(ends) == 3
        assert all(milliseconds > 0 for milliseconds in ends.values())

    async def test_a_forgotten_tenant_leaves_nothing_on_the_server(
        self, valkey: ValkeyServer, kept: Kept
    ) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question()), 60)

        await kept.cache.forget("acme")

        async with Valkey.from_url(valkey.url) as client:
            assert await client.keys("*") == []

    async def test_a_question_leaves_with_its_answers_time_though_its_group_goes_on(
        self, valkey: ValkeyServer, kept: Kept
    ) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question(0)), 60)
        await kept.passes(61)
        later = a_saved(likeness=a_question(20), saved_at=NOW + timedelta(seconds=61))
        await kept.cache.put(ACME, a_key("2"), later, 60)

        async with Valkey.from_url(valkey.url) as client:
            (group,) = await client.keys("*questions*")
            assert await client.llen(group) == 1

    async def test_an_answer_of_another_version_is_none(
        self, valkey: ValkeyServer, kept: Kept
    ) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(), 60)
        async with Valkey.from_url(valkey.url) as client:
            (name,) = await client.keys("*answer*")
            await client.set(name, b"\x91\xa3old")

        assert await kept.cache.get(ACME, a_key("1")) is None

    async def test_without_the_server_it_says_so(self, valkey: ValkeyServer, kept: Kept) -> None:
        await valkey.kill()

        with pytest.raises(StateAway):
            await kept.cache.get(ACME, a_key("1"))
        with pytest.raises(StateAway):
            await kept.cache.put(ACME, a_key("1"), a_saved(), 60)
