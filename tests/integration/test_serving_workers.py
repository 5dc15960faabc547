"""Two edge workers, each a process, on one machine or before a Valkey server: they share limits and retries, and outlive each other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from shared.log.folder import FolderLog
from shared.tokens import new_token
from shared.topics import INTERACTION_COMPLETED
from tests.chaos.processes import Child, a_child
from tests.upstream import Upstream, served
from tests.valkey import a_valkey

CHAT = "/v1/chat/completions"
ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
KEYED = {"idempotency-key": "order-7"}
KEY = new_token("production")


@dataclass
class Worker:
    """A worker's process, and a client of it."""

    child: Child
    client: httpx.AsyncClient

    async def ask(self, **headers: str) -> httpx.Response:
        return await self.client.post(CHAT, json=ASKED, headers=headers)


class Edge:
    """The workers of one folder, before one upstream."""

    def __init__(self, folder: Path, upstream: Upstream, url: str, state: str) -> None:
        self.folder = folder
        self.upstream = upstream
        self._url = url
        self._state = state

    @asynccontextmanager
    async def worker(self, name: str, **limits: int) -> AsyncIterator[Worker]:
        words = (self.folder, name, self._url, KEY, json.dumps(limits), self._state)
        headers = {"authorization": f"Bearer {KEY}"}
        async with a_child(self.folder / f"{name}.log", "tests.serving_member", *words) as child:
            url = await child.line()
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=40) as client:
                yield Worker(child, client)

    def statuses(self) -> list[str]:
        """How the calls that were recorded ended."""
        found: list[str] = []
        for reader in FolderLog(self.folder / "log").readers():
            records, _ = reader.read([INTERACTION_COMPLETED.name], 0, 1_000)
            found += [InteractionCompleted.FromString(record.value).status for record in records]
        return sorted(found)


@pytest.fixture(params=["machine", "valkey"])
async def edge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Edge]:
    (tmp_path / "log").mkdir()
    upstream = Upstream()
    async with AsyncExitStack() as stack:
        [url] = await stack.enter_async_context(served(upstream.app()))
        state = ""
        if request.param == "valkey":
            state = (await stack.enter_async_context(a_valkey(tmp_path))).url
        yield Edge(tmp_path, upstream, url, state)


async def test_a_limit_is_one_over_all_workers(edge: Edge) -> None:
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(edge.worker(f"edge-{n}", requests_per_minute=10))
            for n in range(2)
        ]
        answers = await asyncio.gather(*(workers[n % 2].ask() for n in range(30)))

    # What drains of ten a minute while thirty calls are made is one at most.
    assert sum(answer.status_code == 200 for answer in answers) in {10, 11}
    assert {answer.status_code for answer in answers} == {200, 429}


async def test_retries_at_different_workers_are_one_call(edge: Edge) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(edge.worker(f"edge-{n}")) for n in range(2)]
        answers = await asyncio.gather(*(workers[n % 2].ask(**KEYED) for n in range(12)))

    assert len({answer.content for answer in answers}) == 1
    assert len(edge.upstream.received) == 1
    assert edge.statuses() == ["ok"]


async def test_what_a_killed_worker_held_comes_back_with_its_lease(edge: Edge) -> None:
    limits = {"concurrent": 1}
    async with edge.worker("edge-1", **limits) as other:
        async with edge.worker("edge-0", **limits) as dying:
            edge.upstream.stub = {"hang": True}
            hanging = asyncio.create_task(dying.ask(**KEYED))
            await edge.upstream.asked.wait()
            refused = await other.ask()
            await dying.child.kill()
            await asyncio.gather(hanging, return_exceptions=True)
        edge.upstream.stub = {}

        # It waits for the claim of the dead worker to end, and its place does so in the same time.
        taken_over = await other.ask(**KEYED)
        again = await other.ask(**KEYED)
        async with edge.worker("edge-0", **limits):
            pass

    assert refused.status_code == 429
    assert taken_over.status_code == 200
    assert "idempotency-replayed" not in taken_over.headers
    assert again.content == taken_over.content
    assert len(edge.upstream.received) == 2
    assert edge.statuses() == ["interrupted", "ok"]
