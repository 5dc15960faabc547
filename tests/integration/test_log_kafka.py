"""The Kafka log, held to the suite of the log's ports on a real broker."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.local.broker import Broker
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, USAGE_RATED
from tests.contract.log_suite import LogSuite
from tests.kafka import GROUPS, KafkaHarness, a_cluster
from tests.logs import Collecting, a_fact

TOPICS = (INTERACTION_COMPLETED, FEEDBACK_RECEIVED, USAGE_RATED)


class TestKafkaLog(LogSuite):
    @pytest.fixture
    async def log(self, tmp_path: Path, broker: Broker) -> KafkaHarness:
        return KafkaHarness(tmp_path, await a_cluster(broker, TOPICS, GROUPS))


async def test_dead_letters_are_told_whoever_made_them(tmp_path: Path, broker: Broker) -> None:
    log = KafkaHarness(tmp_path, await a_cluster(broker, TOPICS, GROUPS))
    labels = {"topic": INTERACTION_COMPLETED.name, "group": "w"}
    async with log.outbox() as outbox:
        for n in range(2):
            await outbox.append([a_fact(n)])
            member = Collecting(done=1)
            member.reject = b"value"
            await log.run(member, member.stop, "w")

            assert REGISTRY.get_sample_value("leeway_dead_letter_depth", labels) == n + 1
