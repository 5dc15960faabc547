"""A cluster with empty topics for one test, and the log over it as the contract suite wants it."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiokafka.structs import TopicPartition

from services.local.broker import Broker
from shared.clock import SystemClock
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.layout import Layout, apply, layouts, plan
from shared.log.kafka.message import record_of
from shared.log.kafka.reading import Span, read_spans
from shared.log.kafka.relay import Relay
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler, Record
from shared.topics import INTERACTION_COMPLETED, Topic
from tests.logs import LIMITS

RUN_SECONDS = 60
GROUPS = ("g", "billing", "w")


async def a_cluster(
    broker: Broker, topics: Iterable[Topic], groups: Iterable[str], tabled: Collection[str] = ()
) -> Cluster:
    """A cluster whose topics are there, and empty."""
    cluster = Cluster(broker.servers, prefix=f"{uuid.uuid4().hex[:8]}.")
    topics = [replace(topic, consumers=tuple(groups)) for topic in topics]
    await make(cluster, layouts(cluster, topics, tabled))
    return cluster


async def make(cluster: Cluster, wanted: Sequence[Layout]) -> None:
    """Make what is missing."""
    admin = cluster.admin()
    await admin.start()
    await apply(admin, await plan(admin, wanted, 1), SystemClock())
    await admin.close()


async def messages(cluster: Cluster, topic: Topic, name: str = "") -> list[Record]:
    """Everything that is in a topic, or in one beside it."""
    places = [TopicPartition(cluster.topic(name or topic.name), p) for p in range(topic.partitions)]
    found = await read_spans(cluster, {place: Span() for place in places})
    return [record_of(message, name or topic.name, "kafka") for message in found]


class KafkaHarness:
    """Outboxes in a folder, the relay of that folder, and groups over a cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self._folder = folder

    @asynccontextmanager
    async def outbox(self, name: str = "edge-0") -> AsyncIterator[SqliteOutbox]:
        path = self._folder / f"{name}.db"
        async with SqliteOutbox(path, SystemClock(), forwarded=True) as self._store:
            yield self._store

    async def run(
        self,
        handler: Handler,
        stop: asyncio.Event,
        group: str = "g",
        topics: Sequence[Topic] = (INTERACTION_COMPLETED,),
        limits: ConsumerLimits = LIMITS,
    ) -> Consumer:
        await self.relay()
        async with (
            asyncio.timeout(RUN_SECONDS),
            KafkaGroup(group, topics, self.cluster, SystemClock()) as member,
        ):
            consumer = Consumer(group, topics, member, member, handler, limits, SystemClock())
            await consumer.run(stop)
        return consumer

    async def relay(self) -> None:
        """Forward everything that was accepted."""
        async with asyncio.timeout(RUN_SECONDS), self.relaying() as relay:
            while not relay.idle:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[Relay]:
        """The relay of the process whose outbox was opened last."""
        stop = asyncio.Event()
        relay = Relay(self._folder, self.cluster, self._store, SystemClock())
        task = asyncio.create_task(relay.run(stop))
        yield relay
        stop.set()
        await task

    async def dead(self, topic: Topic) -> list[Record]:
        return await messages(self.cluster, topic, topic.dead_letters)

    def lose(self, seq: int, name: str = "edge-0") -> None:
        db = sqlite3.connect(self._folder / f"{name}.db", isolation_level=None)
        db.execute("DELETE FROM records WHERE seq = ?", (seq,))
        db.close()
