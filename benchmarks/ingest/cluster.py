"""The log over Kafka: outbox, relay, broker, sink and engine, each but the first in a process of its own."""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.ingest.appending import an_outbox, append
from benchmarks.ingest.measured import Measured
from benchmarks.ingest.warehouse import Warehouse, a_warehouse
from benchmarks.processes import cpu_seconds
from services.cli.topics import apply_topics
from services.local.broker import a_broker
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, FactStore, read_schemas
from services.warehouse.stream import Sink
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.lifecycle import ClickHouseAddress
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.relay import Relay
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact

GROUP = "warehouse"
READY_SECONDS = 60


async def path(data: Path, made: Sequence[Fact]) -> Measured:
    """Facts appended as fast as the outbox takes them, while all the others carry them on."""
    async with _parts(data) as (parts, warehouse), an_outbox(data / "edge") as outbox:
        before, begun = _cpu(parts), time.perf_counter()
        appending = await append(outbox, made)
        await warehouse.until_found(len(made))
        seconds = time.perf_counter() - begun
        spent = {name: value - before[name] for name, value in _cpu(parts).items()}
        once = await warehouse.stored_once(len(made))
    return Measured(len(made), seconds, {"append": appending, **spent}, once)


def _cpu(parts: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in parts.items()}


@asynccontextmanager
async def _parts(data: Path) -> AsyncIterator[tuple[Mapping[str, int], Warehouse]]:
    """The processes behind the outbox, by their names. The engine's own log is empty: it only answers SQL."""
    with ExitStack() as running:
        broker = await asyncio.to_thread(running.enter_context, a_broker(data / "kafka"))
        await apply_topics(Cluster(broker.servers))
        async with a_warehouse(data / "engine") as warehouse:
            relay = running.enter_context(_a_process(_relay, broker.servers, data / "edge" / "log"))
            sink = running.enter_context(_a_process(_sink, broker.servers, warehouse.address))
            pids = {"relay": relay, "broker": broker.pid, "sink": sink, "engine": warehouse.pid}
            yield pids, warehouse


async def _relay(ready: Event, servers: str, folder: Path) -> None:
    clock = SystemClock()
    async with SqliteOutbox(folder / "relay-0.db", clock) as own:
        ready.set()
        await Relay(folder, Cluster(servers), own, clock).run(asyncio.Event())


async def _sink(ready: Event, servers: str, address: ClickHouseAddress) -> None:
    settings, clock = Settings(), SystemClock()
    topics = [table.topic for table in FACT_TABLES]
    limits = ConsumerLimits(settings.batch_records, settings.batch_seconds)
    async with (
        ClickHouse(address) as clickhouse,
        KafkaGroup(GROUP, topics, Cluster(servers), clock) as group,
    ):
        store = FactStore(clickhouse, read_schemas(settings.protos))
        sink = Sink(store, {table.topic.name: table.name for table in FACT_TABLES}, clock)
        ready.set()
        await Consumer(GROUP, topics, group, group, sink, limits, clock).run(asyncio.Event())


@contextmanager
def _a_process(main: Callable[..., Coroutine[Any, Any, None]], *words: object) -> Iterator[int]:
    """A process that runs until it is killed; its id, once it is ready: what its imports cost is nobody's claim."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=_live, args=(main, ready, *words))
    process.start()
    try:
        assert ready.wait(READY_SECONDS), f"{main.__name__} does not become ready"
        yield process.pid or 0
    finally:
        process.kill()
        process.join()


def _live(main: Callable[..., Coroutine[Any, Any, None]], *words: object) -> None:
    uvloop.run(main(*words))
