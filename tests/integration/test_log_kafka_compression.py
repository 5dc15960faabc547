"""How facts made at a seat are packed, on a broker: as their topic says, whatever else is in the transaction."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.log.kafka.seat import Seat
from shared.log.record import Effect, Position
from shared.topics import INTERACTION_EMBEDDED, USAGE_RATED, Topic
from tests.kafka import a_cluster, messages
from tests.logs import a_fact

VALUE = bytes(100_000)  # as shrinkable as can be
TOPICS = (INTERACTION_EMBEDDED, USAGE_RATED)


async def test_facts_of_one_transaction_are_packed_as_their_topics_say(
    broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster = await a_cluster(broker, TOPICS, ("g",))
    facts = [replace(a_fact(n, topic=topic), value=VALUE) for n, topic in enumerate(TOPICS)]
    seat = Seat("g", 0, cluster)
    await seat.claim()

    await seat.commit({"s": Position(1)}, Effect(facts=facts), 0)
    await seat.close()

    logs = list(tmp_path_factory.getbasetemp().glob("broker*/data/log"))
    as_it_is, packed = (_stored_bytes(logs, topic, cluster.prefix) for topic in TOPICS)
    assert packed < len(VALUE) / 10
    assert as_it_is > len(VALUE)
    for topic in TOPICS:
        assert [record.value for record in await messages(cluster, topic)] == [VALUE]


def _stored_bytes(logs: Iterable[Path], topic: Topic, prefix: str) -> int:
    folders = [found for log in logs for found in log.glob(f"{prefix}{topic.name}-*")]
    return sum(part.stat().st_size for folder in folders for part in folder.glob("*.log"))
