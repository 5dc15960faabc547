"""Kafka does not take dead letters: no position passes the poison before its letter is there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from services.local.broker import Broker
from services.warehouse.store import GROUP
from shared.ids import new_id
from shared.log.kafka.cluster import MAX_MESSAGE_BYTES, Cluster
from shared.log.kafka.layout import layouts
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED
from tests.chaos.line import Line, a_line
from tests.chaos.report import Trial
from tests.kafka import make, messages
from tests.waiting import until

NEIGHBOURS, POISONS = 50, 8
TENANT = "tenant-0"  # whose facts share a partition
REFUSED_SECONDS, BURIED_SECONDS = 90, 90

Fault = Callable[[Cluster, str], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def refusing(cluster: Cluster, topic: str) -> AsyncIterator[None]:
    """The topic takes no message meanwhile: each is too large for it."""
    await _bound(cluster, topic, 10)
    yield
    await _bound(cluster, topic, MAX_MESSAGE_BYTES)


@asynccontextmanager
async def missing(cluster: Cluster, topic: str) -> AsyncIterator[None]:
    """The topic is not there meanwhile."""
    admin = cluster.admin()
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()
    yield
    await make(cluster, layouts(cluster, [INTERACTION_COMPLETED]))


@pytest.mark.chaos
@pytest.mark.fault(18)
@pytest.mark.parametrize(("name", "fault"), [("refuses", refusing), ("is gone", missing)])
async def test_no_position_passes_poison_while_its_letters_topic_fails(
    trial: Trial, broker: Broker, tmp_path: Path, name: str, fault: Fault
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        async with line.a_sink() as sink:
            await line.accept(NEIGHBOURS)
            await line.stored()
            topic = line.cluster.topic(INTERACTION_COMPLETED.dead_letters)
            async with fault(line.cluster, topic):
                trial.inject(f"letters' topic {name}")
                poison = await _poison(line)
                await line.accept(NEIGHBOURS)
                await until(lambda: bool(sink.told("group.refused")), seconds=REFUSED_SECONDS)
                assert await _is_not_passed(line, poison)
                await sink.kill()
                trial.kill("sink")
        async with line.a_sink():
            with trial.recovery():
                await _buried(line, [poison])
            await line.drain()


@pytest.mark.chaos
@pytest.mark.fault(18)
async def test_each_poison_has_one_letter_although_the_broker_dies_while_they_are_written(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store(), line.a_sink():
        await line.accept(NEIGHBOURS)
        await line.stored()
        poisons = [await _poison(line) for _ in range(POISONS)]
        await line.accept(NEIGHBOURS)
        await asyncio.sleep(trial.random.uniform(0.0, 0.5))
        broker.kill()
        trial.kill("broker")
        await asyncio.to_thread(broker.start)
        with trial.recovery():
            await _buried(line, poisons)
        await line.drain()


async def _bound(cluster: Cluster, topic: str, most: int) -> None:
    wanted = {"max.message.bytes": str(most)}
    admin = cluster.admin()
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])
    await admin.close()


async def _poison(line: Line) -> str:
    """A fact that no sink can read; its id."""
    fact = Fact(INTERACTION_COMPLETED, TENANT, new_id(), b"\xff")
    await line.outbox.append([fact])
    return fact.event_id


async def _is_not_passed(line: Line, poison: str) -> bool:
    """Whether its group would read it again."""
    facts = await messages(line.cluster, INTERACTION_COMPLETED)
    [at] = [fact for fact in facts if fact.event_id == poison]
    place = TopicPartition(line.cluster.topic(INTERACTION_COMPLETED.name), at.partition)
    admin = line.cluster.admin()
    await admin.start()
    offsets = await admin.list_consumer_group_offsets(line.cluster.prefix + GROUP)
    await admin.close()
    return bool(offsets[place].offset <= at.offset)


async def _buried(line: Line, poisons: Sequence[str]) -> None:
    """Return when each has a letter, and see that each has one."""
    name, counts = INTERACTION_COMPLETED.dead_letters, Counter[str]()
    async with asyncio.timeout(BURIED_SECONDS):
        while len(counts) < len(poisons):
            letters = await messages(line.cluster, INTERACTION_COMPLETED, name)
            counts = Counter(letter.event_id for letter in letters)
    assert counts == dict.fromkeys(poisons, 1)
