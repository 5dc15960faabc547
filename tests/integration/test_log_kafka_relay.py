"""The relay: what it forwards, what it leaves behind, and who does it where several could."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.clock import SimulatedClock, SystemClock, from_micros
from shared.log.folder import FolderLog
from shared.log.kafka.relay import RELAY
from shared.log.outbox import SqliteOutbox
from shared.log.trim import Trimmer
from shared.topics import INTERACTION_COMPLETED, INTERACTION_EMBEDDED
from tests.kafka import KafkaHarness, a_cluster, messages
from tests.logs import a_fact

PATIENCE_SECONDS = 60


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    topics = (INTERACTION_COMPLETED, INTERACTION_EMBEDDED)
    return KafkaHarness(tmp_path, await a_cluster(broker, topics, ("g",)))


async def test_a_fact_arrives_with_its_place_its_time_and_the_attributes_of_cloudevents(
    log: KafkaHarness, tmp_path: Path
) -> None:
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2, topic=INTERACTION_EMBEDDED)])
        await log.relay()
        kept = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.name], 0, 1)[0][0]

    (arrived,) = await messages(log.cluster, INTERACTION_COMPLETED)
    assert (arrived.producer, arrived.epoch, arrived.seq) == (kept.producer, kept.epoch, kept.seq)
    assert (arrived.partition, arrived.key) == (kept.partition, "acme")
    assert (arrived.event_id, arrived.value) == (kept.event_id, b"value 1")
    assert arrived.accepted_at_us == kept.accepted_at_us
    assert len(await messages(log.cluster, INTERACTION_EMBEDDED)) == 1


async def test_only_what_was_acknowledged_is_trimmed(log: KafkaHarness, tmp_path: Path) -> None:
    async with log.outbox() as outbox:
        await outbox.append([a_fact(n) for n in range(5)])
        trimmer = Trimmer(
            "edge-0",
            outbox,
            FolderLog(tmp_path),
            [RELAY],
            SystemClock(),
            retention=timedelta(seconds=-1),
        )

        before = await trimmer.trim()
        await log.relay()
        after = await trimmer.trim()

    assert (before, after) == (0, 5)
    assert len(await messages(log.cluster, INTERACTION_COMPLETED)) == 5


async def test_a_process_takes_the_relay_over_where_another_left_it(
    log: KafkaHarness, tmp_path: Path
) -> None:
    async with log.outbox("edge-0") as one:
        await one.append([a_fact(n) for n in range(5)])
        await log.relay()
        await one.append([a_fact(n) for n in range(5, 7)])
    async with SqliteOutbox(tmp_path / "edge-1.db", SystemClock()), log.outbox("edge-2") as two:
        await two.append([a_fact(n) for n in range(7, 10)])

        await log.relay()

    arrived = await messages(log.cluster, INTERACTION_COMPLETED)
    assert [r.value for r in arrived] == [f"value {n}".encode() for n in range(10)]


async def test_of_two_relays_of_one_folder_one_stands_by(log: KafkaHarness) -> None:
    async with log.outbox() as outbox, log.relaying() as first:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not first.idle:
                await asyncio.sleep(0.01)
        async with log.relaying() as second, asyncio.timeout(PATIENCE_SECONDS):
            await outbox.append([a_fact(1)])
            while not (second.idle and await messages(log.cluster, INTERACTION_COMPLETED)):
                await asyncio.sleep(0.05)

    assert len(await messages(log.cluster, INTERACTION_COMPLETED)) == 1


async def test_a_process_whose_clock_is_years_ahead_is_heard_all_the_same(
    log: KafkaHarness, tmp_path: Path
) -> None:
    ahead = datetime(2040, 1, 1, tzinfo=UTC)
    async with (
        SqliteOutbox(tmp_path / "edge-0.db", SimulatedClock(ahead)) as outbox,
        log.outbox("edge-1"),
    ):
        await outbox.append([a_fact(1)])
        await log.relay()

    (arrived,) = await messages(log.cluster, INTERACTION_COMPLETED)
    assert from_micros(arrived.accepted_at_us) == ahead
