"""Following a topic of Kafka from its beginning, as every process follows the registry."""

import asyncio
from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.clock import SystemClock
from shared.log.follow import Follower
from shared.log.kafka.reading import TopicLog
from shared.topics import REGISTRY_CHANGED
from tests.kafka import KafkaHarness, a_cluster
from tests.logs import a_fact

PATIENCE_SECONDS = 60


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    return KafkaHarness(tmp_path, await a_cluster(broker, (REGISTRY_CHANGED,), ()))


async def test_a_follower_sees_all_there_was_before_it_has_caught_up_and_then_what_comes(
    log: KafkaHarness,
) -> None:
    seen: list[bytes] = []
    stop = asyncio.Event()
    async with log.outbox() as outbox, TopicLog(REGISTRY_CHANGED, log.cluster) as source:
        await outbox.append([a_fact(n, topic=REGISTRY_CHANGED) for n in range(50)])
        await log.relay()
        follower = Follower(
            REGISTRY_CHANGED, source, lambda record: seen.append(record.value), SystemClock()
        )
        task = asyncio.create_task(follower.run(stop))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await follower.caught_up.wait()
        before = len(seen)

        await outbox.append([a_fact(50, topic=REGISTRY_CHANGED)])
        await log.relay()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(seen) < 51:
                await asyncio.sleep(0.02)
        stop.set()
        await task

    assert before == 50
    assert seen == [f"value {n}".encode() for n in range(51)]
