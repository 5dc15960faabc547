"""The books of a cluster: how far back they look, and what of Kafka they read for it."""

from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition

from services.cli.doctor.accounting import settled
from services.cli.doctor.place import Place
from services.local.broker import Broker
from services.settings import Installation
from shared.clock import SimulatedClock, SystemClock, micros
from shared.errors import Invalid
from shared.log.accounting import Entry, LogSide, books
from shared.log.kafka.books import cluster_side
from shared.log.kafka.reading import read_spans, spans_since
from shared.log.outbox import SqliteOutbox
from shared.topics import ALL, INTERACTION_COMPLETED
from tests.kafka import KafkaHarness, a_cluster
from tests.logs import Collecting, a_fact

TOPIC = INTERACTION_COMPLETED.name


async def test_what_was_accepted_before_they_begin_is_not_read(
    tmp_path: Path, broker: Broker
) -> None:
    now = SystemClock().now()
    log = KafkaHarness(tmp_path, await a_cluster(broker, ALL, ("g",)))
    long_ago, group = SimulatedClock(now - timedelta(days=6)), Collecting(done=3)
    old_file = tmp_path / "edge-0.db"  # which is relayed first
    async with SqliteOutbox(old_file, long_ago) as old, log.outbox("edge-1") as new:
        await old.append([a_fact(1), a_fact(2)])
        await new.append([a_fact(3)])
        await log.run(group, group.stop)
    since = micros(now - timedelta(hours=24))

    recent = await cluster_side(log.cluster, [], "g", since)
    everything = await cluster_side(log.cluster, [], "g")

    assert sum(recent.accepted.values()) == 1
    assert sum(everything.accepted.values()) == 3


async def test_a_fact_that_was_relayed_late_is_found_by_the_time_it_was_accepted(
    tmp_path: Path, broker: Broker
) -> None:
    now = SystemClock().now()
    log = KafkaHarness(tmp_path, await a_cluster(broker, [INTERACTION_COMPLETED], ("g",)))
    async with log.outbox() as new:
        await new.append([a_fact(1)])
        await log.relay()
    async with (
        SqliteOutbox(tmp_path / "edge-1.db", SimulatedClock(now - timedelta(days=6))) as late,
        log.outbox(),
    ):
        await late.append([a_fact(2)])
        await log.relay()
    name = log.cluster.topic(TOPIC)
    places = [TopicPartition(name, p) for p in range(INTERACTION_COMPLETED.partitions)]

    found = await read_spans(log.cluster, await spans_since(log.cluster, places, micros(now)))

    assert len(found) == 2  # what came behind the first one of that time is read too


def test_lines_of_minutes_before_they_begin_are_left_out() -> None:
    log = LogSide({(TOPIC, "acme", 10): 1}, {}, {})

    lines = books(log, {(TOPIC, "acme", 9): 7, (TOPIC, "acme", 10): 1}, since_minute=10)

    assert lines == [Entry(TOPIC, "acme", 10, 1, 1, 0, 0)]


async def test_they_go_no_further_back_than_kafka_keeps_facts(tmp_path: Path) -> None:
    place = Place(Installation(data=tmp_path, kafka="127.0.0.1:1"), "http://127.0.0.1:1")

    with pytest.raises(Invalid) as refused:
        await settled(place, hours=168)

    assert refused.value.message == "Kafka keeps facts for 168 h: the books go back 167 h, not 168."
