"""The whole way of a fact, from a door to a store, with a proxy before the store and every part at a test's mercy."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.local.broker import Broker
from services.warehouse.store import GROUP
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.lifecycle import ClickHouseAddress
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.relay import Relay
from shared.log.outbox import SqliteOutbox
from tests.chaos.door import call
from tests.chaos.ledger import copies, stored
from tests.chaos.processes import Child, a_child
from tests.chaos.proxy import Proxy, a_proxy
from tests.chaos.report import Trial
from tests.chaos.sink import TOPICS
from tests.kafka import a_cluster
from tests.stores import OPERATOR, PASSWORD

SINK, STORE = "tests.chaos.sink", "tests.chaos.store"
CALLS_PER_SECOND = 60


@dataclass(slots=True)
class Line:
    """An outbox and its relay in this process, Kafka, sinks and a store as processes, a proxy before the store.

    `accepted_in` holds how long each acceptance took, in seconds.
    """

    folder: Path
    trial: Trial
    cluster: Cluster
    outbox: SqliteOutbox
    proxy: Proxy
    client: ClickHouse
    calls: int = 0
    accepted_in: list[float] = field(default_factory=list)

    async def accept(self, count: int) -> None:
        """Let the door accept so many calls, one after another."""
        for number in range(self.calls, self.calls + count):
            facts, start = call(number), time.monotonic()
            await self.outbox.append(facts)
            self.accepted_in.append(time.monotonic() - start)
            self.trial.ledger.accept(f"{fact.topic.name}/{fact.event_id}" for fact in facts)
            self.calls = number + 1

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Calls come in all the while, at `CALLS_PER_SECOND`."""
        end = asyncio.Event()

        async def come() -> None:
            while not end.is_set():
                await self.accept(CALLS_PER_SECOND // 20)
                await asyncio.sleep(0.05)

        coming = asyncio.create_task(come())
        try:
            yield
        finally:
            end.set()
            await coming

    def a_sink(
        self, *, fail_at: str = "", timeout: int = 30, proxy: Proxy | None = None
    ) -> AbstractAsyncContextManager[Child]:
        """A sink that is running, and killed with the end of the block; behind the line's proxy or its own."""
        log = self.folder / "sink.log"
        return a_child(
            *(log, SINK, (proxy or self.proxy).url, "--log", log),
            *("--kafka", self.cluster.servers, "--prefix", self.cluster.prefix),
            *("--fail-at", fail_at, "--timeout", timeout),
        )

    def a_store(self) -> AbstractAsyncContextManager[Child]:
        """The line's store, started again where it was killed."""
        return a_store(self.folder, self.proxy.target_port)

    async def stored(self, calls: int | None = None, *, seconds: float = 120) -> None:
        """Wait until so many calls are stored, whole: without a number, all that were accepted."""
        wanted = self.calls if calls is None else calls
        await stored(self.client, wanted, seconds=seconds)
        await stored(self.client, wanted, seconds=seconds, table="usage", column="usage_id")

    async def drain(self) -> None:
        """Wait until everything accepted is stored, and hold the store against the ledger."""
        await self.stored()
        self.trial.judge(await self.copies())

    async def copies(self) -> Counter[str]:
        """How often each fact is in its raw table."""
        interactions, usage = TOPICS
        found = {
            interactions: await copies(self.client),
            usage: await copies(self.client, "usage", "usage_id"),
        }
        return Counter(
            {f"{topic.name}/{name}": n for topic, each in found.items() for name, n in each.items()}
        )


def a_store(folder: Path, port: int) -> AbstractAsyncContextManager[Child]:
    """A store as a process of its own, its data in the folder."""
    return a_child(folder / "store.log", STORE, folder / "warehouse", port)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def a_line(folder: Path, broker: Broker, trial: Trial) -> AsyncIterator[Line]:
    """A line without a sink and without a store: the test says when they live, and when they die."""
    cluster, clock = await a_cluster(broker, TOPICS, (GROUP,)), SystemClock()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(a_proxy(free_port()))
        address = ClickHouseAddress(f"http://127.0.0.1:{proxy.target_port}", OPERATOR, PASSWORD)
        client = await stack.enter_async_context(ClickHouse(address))
        outbox = await stack.enter_async_context(SqliteOutbox(folder / "log" / "edge-0.db", clock))
        relaying = asyncio.create_task(Relay(folder / "log", cluster, outbox, clock).run(stop))
        try:
            yield Line(folder, trial, cluster, outbox, proxy, client)
        finally:
            stop.set()
            await relaying
