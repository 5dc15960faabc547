"""Serving's shared state in memory, on one machine, and on a real Valkey server, each held to one suite."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from valkey.asyncio import Valkey

from services.serving.state.local import LocalState
from services.serving.state.memory import Memory, MemoryState
from services.serving.state.port import State
from services.serving.state.valkey import ValkeyState
from shared.clock import SimulatedClock, SystemClock
from tests.builders import NOW
from tests.contract.state_suite import LEASE_SECONDS, StateSuite
from tests.valkey import ValkeyServer, a_valkey


class InMemory:
    """Workers that share a memory, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.memory = Memory()

    async def worker(self) -> State:
        return MemoryState(self.clock, self.memory, LEASE_SECONDS)

    async def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)


class OnOneMachine:
    """Workers that share a folder, on a clock that the test moves."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.clock = SimulatedClock(NOW)
        self._folder = folder
        self._stack = stack

    async def worker(self) -> State:
        state = LocalState(self._folder, self.clock, LEASE_SECONDS)
        return await self._stack.enter_async_context(state)

    async def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)


class OnAServer:
    """Workers that share a server, whose clock is its own."""

    def __init__(self, server: ValkeyServer, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack

    async def worker(self) -> State:
        state = ValkeyState(
            self._server.url, SystemClock(), timeout_seconds=5, lease_seconds=LEASE_SECONDS
        )
        return await self._stack.enter_async_context(state)

    async def passes(self, seconds: float) -> None:
        async with Valkey.from_url(self._server.url) as client:
            until = await _server_time(client) + seconds
            while await _server_time(client) < until:
                pass


async def _server_time(client: Valkey) -> float:
    seconds, micros = await client.time()
    return float(seconds + micros / 1_000_000)


class TestMemory(StateSuite):
    @pytest.fixture
    def state(self) -> InMemory:
        return InMemory()


class TestLocal(StateSuite):
    @pytest.fixture
    async def state(self, tmp_path: Path) -> AsyncIterator[OnOneMachine]:
        async with AsyncExitStack() as stack:
            yield OnOneMachine(tmp_path, stack)


class TestValkey(StateSuite):
    @pytest.fixture
    async def state(self, tmp_path: Path) -> AsyncIterator[OnAServer]:
        async with a_valkey(tmp_path) as server, AsyncExitStack() as stack:
            yield OnAServer(server, stack)
