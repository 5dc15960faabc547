"""Claims of the forwarder: a producer that fails for good is made anew, and nothing is sent out of its order."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from shared.errors import Unavailable
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.relay import Forwarder
from tests.builders import a_record
from tests.logs import a_fact

IN_A_BATCH = 2


class FakeBatch:
    """Takes a few values."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, value: bytes, **_: object) -> object | None:
        if len(self.values) == IN_A_BATCH:
            return None
        self.values.append(value)
        return self


class FakeProducer:
    """Stores what it sends, until the batch at which it fails: from then on it is of no use, as aiokafka's is."""

    def __init__(self, stored: list[bytes], fails_at: int | None) -> None:
        self._stored = stored
        self._left = fails_at
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def create_batch(self) -> FakeBatch:
        return FakeBatch()

    async def send_batch(
        self,
        batch: FakeBatch,
        topic: str,
        *,
        partition: int,
    ) -> "asyncio.Future[None]":
        assert self.running
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._left == 0:
            told.set_exception(OutOfOrderSequenceNumber())
            return told
        self._left = None if self._left is None else self._left - 1
        self._stored += batch.values
        told.set_result(None)
        return told


@dataclass
class FakeCluster:
    """A Kafka of one partition, whose first producer fails."""

    stored: list[bytes] = field(default_factory=list)
    producers: list[FakeProducer] = field(default_factory=list)

    def topic(self, name: str) -> str:
        return name

    def producer(self, compression: str | None) -> FakeProducer:
        self.producers.append(FakeProducer(self.stored, None if self.producers else 1))
        return self.producers[-1]


async def test_a_producer_that_failed_is_replaced_and_the_batch_comes_again_from_its_start() -> (
    None
):
    cluster = FakeCluster()
    forwarder = Forwarder(cast("Cluster", cluster))
    record = a_record(a_fact(1))
    records = [replace(record, seq=n, offset=n, value=b"%d" % n) for n in range(1, 7)]

    with pytest.raises(Unavailable, match="acknowledged only a part"):
        await forwarder.handle(records)
    first_part = [*cluster.stored]
    await forwarder.handle(records)

    assert first_part == [b"1", b"2"]  # and nothing behind what failed
    assert cluster.stored[2:] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert [producer.running for producer in cluster.producers] == [False, True]
