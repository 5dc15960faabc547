"""The relay: what the outboxes of a folder have accepted goes on to Kafka, in order, until acknowledged."""

import asyncio
import fcntl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.clock import Clock, pause
from shared.errors import Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.log.consumer import Consumer, ConsumerLimits, GroupStore
from shared.log.file import GroupState, Ranges
from shared.log.folder import FolderLog
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.packing import by_partition, compression, packed
from shared.log.record import Effect, Position, Record
from shared.log.sealed import Damaged
from shared.topics import ALL

log = structlog.get_logger()

RELAY = "relay"
LIMITS = ConsumerLimits(max_records=5_000, max_age_seconds=0.02)
# Dead letters too: those of the relay itself, which finds what the disk has damaged.
FORWARDED = [*ALL, *(replace(topic, name=topic.dead_letters) for topic in ALL)]
STOP_SECONDS = 5.0
STANDBY_SECONDS = 1.0


class Relay:
    """Forwards every outbox of a folder; of the processes that share the folder, one does it at a time.

    It is a group like any other, that steps in the outbox of its process: its position moves on when
    the broker acknowledged, and the trimmer deletes only what it has passed (the group is named `RELAY`).
    A record that the disk has damaged goes on as a dead letter: its bytes as they are found, and why.
    """

    def __init__(
        self,
        folder: Path,
        cluster: Cluster,
        store: GroupStore,
        clock: Clock,
        failpoints: Failpoints = NONE,
    ) -> None:
        self._folder = folder
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._failpoints = failpoints
        self._consumer: Consumer | None = None
        self._standing_by = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits here: another process relays, or nothing was left when we last looked."""
        return self._standing_by or (self._consumer is not None and self._consumer.idle)

    async def run(self, stop: asyncio.Event) -> None:
        """Forward until `stop` is set."""
        lock = await self._locked(stop)
        if lock is None:
            return
        forwarder = Forwarder(self._cluster, self._failpoints)
        store = _FurthestPositions(self._folder, self._store)
        source = FolderLog(self._folder)
        self._consumer = Consumer(
            RELAY, FORWARDED, source, store, forwarder, LIMITS, self._clock, self._failpoints
        )
        try:
            await self._consumer.run(stop)
        finally:
            await forwarder.close()
            lock.close()

    async def _locked(self, stop: asyncio.Event) -> TextIO | None:
        """The right to relay this folder, or None when told to stop before it was to be had."""
        handle = (self._folder / "relay.lock").open("w")
        while not stop.is_set():
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._standing_by = True
                await pause(self._clock, STANDBY_SECONDS, stop)
            else:
                self._standing_by = False
                return handle
        handle.close()
        return None


class Forwarder:
    """A `Handler` that sends records to Kafka, and returns when every one is acknowledged.

    Of a partition one batch is on its way at a time. So when it raises `Unavailable`, what is in the
    partition is a beginning of the records; they come again from the first, through new producers.
    """

    def __init__(self, cluster: Cluster, failpoints: Failpoints = NONE) -> None:
        self._cluster = cluster
        self._failpoints = failpoints
        self._producers: dict[str, AIOKafkaProducer] = {}

    async def handle(self, records: Sequence[Record]) -> Effect:
        parts = by_partition(records)
        try:
            producers = {topic: await self._producer(topic) for topic, _ in parts}
        except KafkaError as error:
            raise Unavailable(f"Kafka cannot be reached: {error!r}.") from error
        sent = [self._send(producers[topic], p, part) for (topic, p), part in parts.items()]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, KafkaError):
                raise failure
        if failures:
            await self.close()
            raise Unavailable(f"Kafka acknowledged only a part: {failures[0]!r}.")
        return Effect()

    async def close(self) -> None:
        """Let go of the producers; the next records get new ones."""
        producers, self._producers = self._producers, {}
        for producer in producers.values():
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await producer.stop()
            except (KafkaError, TimeoutError) as error:
                log.info("relay.producer_left", error=repr(error))

    async def _producer(self, topic: str) -> AIOKafkaProducer:
        packing = compression(topic)
        if packing not in self._producers:
            producer = self._cluster.producer(packing or None)
            self._producers[packing] = producer
            try:
                await producer.start()
            except KafkaError:
                await self.close()
                raise
        return self._producers[packing]

    async def _send(
        self, producer: AIOKafkaProducer, partition: int, records: Sequence[Record]
    ) -> None:
        topic = self._cluster.topic(records[0].topic)
        for batch in packed(producer.create_batch, records):
            await (await producer.send_batch(batch, topic, partition=partition))
        self._failpoints.reach(RELAY, Step.SENT)


class _FurthestPositions:
    """The relay's positions: each as far as any process of the folder has brought it."""

    def __init__(self, folder: Path, store: GroupStore) -> None:
        self._folder = folder
        self._store = store

    async def load(self, group: str) -> GroupState:
        state = await self._store.load(group)
        furthest = dict(state.positions)
        for source, position in await asyncio.to_thread(self._steps, group):
            if position.next_offset > furthest.get(source, position).next_offset:
                furthest[source] = position
            furthest.setdefault(source, position)
        return GroupState(furthest, state.states, state.intent)

    async def intend(self, group: str, ranges: Ranges) -> None:
        await self._store.intend(group, ranges)

    async def commit(self, group: str, positions: Mapping[str, Position], effect: Effect) -> None:
        await self._store.commit(group, positions, effect)

    def _steps(self, group: str) -> list[tuple[str, Position]]:
        source = FolderLog(self._folder)
        try:
            return [step for reader in source.readers() for step in reader.steps(group).items()]
        except Damaged as damage:
            raise Unavailable(f"How far the relay has come is not known: {damage}.") from damage
        finally:
            source.close()
