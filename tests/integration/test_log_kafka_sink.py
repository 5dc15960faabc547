"""The warehouse's sink over Kafka: replicas share partitions, and what dies between two steps costs nothing."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.local.broker import Broker
from services.warehouse.stream import Sink
from shared.clickhouse import ProtobufSchema
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.group import KafkaGroup
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED
from tests.builders import an_interaction_completed
from tests.kafka import KafkaHarness, a_cluster

PATIENCE_SECONDS = 120
GROUP = "warehouse"
TABLE = "interactions"
SCHEMAS = {TABLE: ProtobufSchema("", "InteractionCompleted")}
LIMITS = ConsumerLimits(max_records=50, max_age_seconds=0.01)


class Shelf:
    """A store that several replicas share, and that keeps one block for each token."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}

    def stored(self) -> Counter[str]:
        """How often each interaction is stored."""
        return Counter(
            message.interaction_id for block in self.blocks.values() for message in _messages(block)
        )


class Replica:
    """The way of one replica to the shelf; it dies before or after the insert with this number."""

    def __init__(self, shelf: Shelf, *, before: int = 0, after: int = 0) -> None:
        self.schemas: Mapping[str, ProtobufSchema] = SCHEMAS
        self.dead = asyncio.Event()
        self._shelf = shelf
        self._before = before
        self._after = after
        self._inserts = 0

    async def insert(self, table: str, block: bytes, token: str) -> None:
        self._inserts += 1
        if self._inserts == self._before:
            self._die()
        self._shelf.blocks.setdefault(token, block)
        if self._inserts == self._after:
            self._die()

    def _die(self) -> None:
        self.dead.set()
        raise Unavailable("dead")


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    return KafkaHarness(tmp_path, await a_cluster(broker, (INTERACTION_COMPLETED,), (GROUP,)))


@asynccontextmanager
async def running(log: KafkaHarness, replica: Replica) -> AsyncIterator[None]:
    """A replica that runs until it dies, or to the end of the block."""
    topics, clock, stop = [INTERACTION_COMPLETED], SystemClock(), replica.dead
    sink = Sink(replica, {INTERACTION_COMPLETED.name: TABLE}, clock)

    async def live() -> None:
        async with KafkaGroup(GROUP, topics, log.cluster, clock) as member:
            await Consumer(GROUP, topics, member, member, sink, LIMITS, clock).run(stop)

    task = asyncio.create_task(live())
    yield
    stop.set()
    await task


async def until(shelf: Shelf, n: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(shelf.stored()) < n:
            await asyncio.sleep(0.05)


def facts(start: int, end: int) -> list[Fact]:
    return [_fact(n) for n in range(start, end)]


@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_replica_that_dies_at_an_insert_leaves_each_fact_stored_once(
    log: KafkaHarness, step: str
) -> None:
    shelf = Shelf()
    dying = Replica(shelf, **{step: 2})
    async with log.outbox() as outbox:
        await outbox.append(facts(0, 400))
        await log.relay()
        async with running(log, dying):
            await dying.dead.wait()
        await outbox.append(facts(400, 500))
        await log.relay()

        async with running(log, Replica(shelf)):
            await until(shelf, 500)

    assert shelf.stored() == Counter(fact.event_id for fact in facts(0, 500))


async def test_replicas_that_come_die_and_go_in_mid_stream_store_each_fact_once(
    log: KafkaHarness,
) -> None:
    shelf = Shelf()
    async with log.outbox() as outbox, log.relaying(), running(log, Replica(shelf)):
        for life in range(3):
            async with running(log, Replica(shelf, after=3)):
                for n in range(life * 500, (life + 1) * 500):
                    await outbox.append(facts(n, n + 1))
                await until(shelf, (life + 1) * 500)
        await outbox.append(facts(1500, 1600))
        await until(shelf, 1600)

    assert shelf.stored() == Counter(fact.event_id for fact in facts(0, 1600))


def _fact(n: int) -> Fact:
    tenant = f"tenant-{n % 20}"
    message = an_interaction_completed(interaction_id=str(uuid.UUID(int=n)), tenant=tenant)
    return Fact(INTERACTION_COMPLETED, tenant, message.interaction_id, message.SerializeToString())


def _messages(block: bytes) -> Iterator[InteractionCompleted]:
    """The messages of a length-delimited block."""
    at = 0
    while at < len(block):
        size = shift = 0
        while True:
            byte = block[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        yield InteractionCompleted.FromString(block[at : at + size])
        at += size
