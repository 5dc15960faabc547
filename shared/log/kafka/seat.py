"""A seat: the right of one process to act for one partition number of a group, and what it knows there."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import structlog
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import ConsumerRecord

from shared.errors import Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.making import Making
from shared.log.kafka.packing import batch_in_transaction, by_partition, packed
from shared.log.kafka.stored import Stored
from shared.log.record import Effect, Moved, Position, Record

log = structlog.get_logger()

CLOSE_SECONDS = 5.0
COMMIT_SECONDS = 60.0

_POSITION = b"position"
_STATE = b"state/"


class Seat:
    """Holds the positions and states of a partition number, and moves them on in transactions.

    `claim` fences whoever held the seat before: nothing of theirs takes effect after it returns. Then
    `recall` takes over what the partition of the state topic says. After `commit` raised, the seat is
    lost: only a new one that claims and recalls knows what was stored.
    """

    def __init__(
        self, group: str, partition: int, cluster: Cluster, failpoints: Failpoints = NONE
    ) -> None:
        self.partition = partition
        self.stored = Stored()
        self.states: dict[str, bytes] = {}
        self._group = group
        self._cluster = cluster
        self._failpoints = failpoints
        self._producer = cluster.producer("zstd", seat=f"{group}.{partition}")

    async def claim(self) -> None:
        """Take the seat. Raises `Unavailable`."""
        try:
            await self._producer.start()
        except KafkaError as error:
            await self.close()
            raise Unavailable(
                f"Kafka gave no seat {self._group}.{self.partition}: {error}."
            ) from error

    def recall(self, messages: Iterable[ConsumerRecord]) -> None:
        """Take over the stored positions, states and numbers: the last message of a key counts."""
        for message in messages:
            name = message.key.removeprefix(_STATE).decode()
            if message.key == _POSITION:
                self.stored = Stored.load(message.value)
            elif message.value is None:
                self.states.pop(name, None)
            else:
                self.states[name] = message.value

    async def close(self) -> None:
        """Let go of the connection; the seat stays taken until somebody else claims it."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.info(
                "seat.left_open", group=self._group, partition=self.partition, error=repr(error)
            )

    def letters(self, topic: str) -> int:
        """How many dead letters of a topic were ever made at this seat, by whoever held it."""
        return self.stored.made.get(f"{topic}.dlq/{self.partition}", 0)

    async def commit(self, positions: Mapping[str, Position], effect: Effect, now_us: int) -> None:
        """Store an effect and the positions behind it, all or nothing.

        Raises `Moved` when somebody else has taken the seat, `Unavailable` when Kafka did not answer.
        """
        making = Making(self._group, self.partition, self.stored)
        records = making.facts(effect.facts, now_us) + making.letters(effect.dead_letters)
        after = self.stored.moved(positions, making.made)
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._transact(records, effect.states, after.dump())
        except ProducerFenced as fenced:
            raise Moved(f"Seat {self._group}.{self.partition} is another's now.") from fenced
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka took no effect of {self._group}: {error!r}.") from error
        self.stored = after
        for name, value in effect.states.items():
            if value is None:
                self.states.pop(name, None)
            else:
                self.states[name] = value

    async def _transact(
        self, records: Sequence[Record], states: Mapping[str, bytes | None], position: bytes
    ) -> None:
        await self._producer.begin_transaction()
        sent = [
            await self._producer.send_batch(batch, self._cluster.topic(topic), partition=partition)
            for (topic, partition), part in by_partition(records).items()
            for batch in packed(partial(batch_in_transaction, topic), part)
        ]
        topic = self._cluster.state_topic(self._group)
        kept = {_STATE + name.encode(): value for name, value in states.items()}
        for key, value in (kept | {_POSITION: position}).items():
            sent.append(await self._producer.send(topic, value, key, self.partition))
        await asyncio.gather(*sent)
        self._failpoints.reach(self._group, Step.WRITTEN)
        await self._producer.commit_transaction()
        self._failpoints.reach(self._group, Step.STORED)
