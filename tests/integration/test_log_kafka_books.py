"""The books of a cluster: how far back they look, and what of Kafka they read for it."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.cli.doctor.accounting import settled
from services.cli.doctor.place import Place
from services.local.broker import Broker
from services.settings import Installation
from shared.clock import SystemClock, micros
from shared.errors import Invalid
from shared.log.accounting import Entry, LogSide, books
from shared.log.kafka.books import cluster_side
from shared.topics import ALL, INTERACTION_COMPLETED
from tests.kafka import KafkaHarness, a_cluster
from tests.logs import Collecting, a_fact

TOPIC = INTERACTION_COMPLETED.name


async def test_what_kafka_took_before_they_begin_is_not_read(
    tmp_path: Path, broker: Broker
) -> None:
    log = KafkaHarness(tmp_path, await a_cluster(broker, ALL, ("g",)))
    now, group = SystemClock().now(), Collecting(done=3)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2), a_fact(3)])
        await log.run(group, group.stop)

    recent = await cluster_side(log.cluster, [], "g", micros(now - timedelta(hours=1)))
    later = await cluster_side(log.cluster, [], "g", micros(now + timedelta(hours=1)))

    assert sum(recent.accepted.values()) == 3
    assert sum(later.accepted.values()) == 0


def test_lines_of_minutes_before_they_begin_are_left_out() -> None:
    log = LogSide({(TOPIC, "acme", 10): 1}, {}, {})

    lines = books(log, {(TOPIC, "acme", 9): 7, (TOPIC, "acme", 10): 1}, since_minute=10)

    assert lines == [Entry(TOPIC, "acme", 10, 1, 1, 0, 0)]


async def test_they_go_no_further_back_than_kafka_keeps_facts(tmp_path: Path) -> None:
    place = Place(Installation(data=tmp_path, kafka="127.0.0.1:1"), "http://127.0.0.1:1")

    with pytest.raises(Invalid) as refused:
        await settled(place, hours=168)

    assert refused.value.message == "Kafka keeps facts for 168 h: the books go back 167 h, not 168."
