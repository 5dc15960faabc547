"""The Kafka log, held to the suite of the log's ports on a real broker."""

from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, USAGE_RATED
from tests.contract.log_suite import LogSuite
from tests.kafka import GROUPS, KafkaHarness, a_cluster

TOPICS = (INTERACTION_COMPLETED, FEEDBACK_RECEIVED, USAGE_RATED)


class TestKafkaLog(LogSuite):
    @pytest.fixture
    async def log(self, tmp_path: Path, broker: Broker) -> KafkaHarness:
        return KafkaHarness(tmp_path, await a_cluster(broker, TOPICS, GROUPS))
