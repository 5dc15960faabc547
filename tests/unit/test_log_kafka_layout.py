"""The layout of topics against a cluster of three brokers in memory: its copies, and how long it is waited for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource

from services.cli.doctor.findings import Finding, State
from services.cli.doctor.kafka import safety
from shared.clock import SimulatedClock
from shared.errors import Unavailable
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.layout import (
    IN_SYNC,
    INTERNAL,
    KNOWN_SECONDS,
    Layout,
    apply,
    layouts,
    plan,
    replicas,
)
from tests.builders import NOW
from tests.waiting import until

CLUSTER = Cluster("nowhere")
LAYOUT = Layout("t", 2, {"cleanup.policy": "delete"})


class FakeAdmin:
    """The part of an admin client that layouts use, over brokers in memory; `forgets` what it was told to make."""

    def __init__(self, brokers: int = 3, *, forgets: bool = False) -> None:
        self.brokers = brokers
        self.forgets = forgets
        self.asked = 0
        self.topics: dict[str, tuple[int, int, dict[str, str]]] = {}

    def has(self, name: str, copies: int, in_sync: int = 1) -> None:
        self.topics[name] = (2, copies, {"cleanup.policy": "delete", IN_SYNC: str(in_sync)})

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": list(range(self.brokers))}

    async def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        self.asked += 1
        return [{"topic": name, "partitions": self._partitions(name)} for name in names]

    def _partitions(self, name: str) -> list[dict[str, Any]]:
        partitions, copies, _ = self.topics.get(name, (0, 0, {}))
        return [{"replicas": list(range(copies))} for _ in range(partitions)]

    async def describe_configs(self, resources: Sequence[ConfigResource]) -> list[Any]:
        described = [
            {
                "resource_name": resource.name,
                "config_entries": [
                    {"config_names": name, "config_value": value, "config_source": 1}
                    for name, value in self.topics[resource.name][2].items()
                ],
            }
            for resource in resources
        ]
        return [SimpleNamespace(to_object=lambda: {"resources": described})]

    async def create_topics(self, topics: Sequence[NewTopic]) -> Any:
        for topic in () if self.forgets else topics:
            settings = dict(topic.topic_configs)
            self.topics[topic.name] = (topic.num_partitions, topic.replication_factor, settings)
        return SimpleNamespace(topic_errors=[])

    async def alter_configs(self, resources: Sequence[ConfigResource]) -> list[Any]:
        for resource in resources:
            partitions, copies, _ = self.topics[resource.name]
            self.topics[resource.name] = (partitions, copies, dict(resource.configs))
        return []


@pytest.mark.parametrize(
    ("brokers", "asked", "kept_by", "in_sync"),
    [(1, 0, 1, "1"), (2, 0, 2, "1"), (3, 0, 3, "2"), (5, 0, 3, "2"), (5, 4, 4, "3")],
)
async def test_what_counts_as_written_is_on_all_copies_but_one(
    brokers: int, asked: int, kept_by: int, in_sync: str
) -> None:
    admin = FakeAdmin(brokers)

    changes = await plan(admin, layouts(CLUSTER), await replicas(admin, asked))

    assert {change.copies for change in changes} == {kept_by}
    assert {change.layout.settings[IN_SYNC] for change in changes} == {in_sync}


async def test_a_topic_that_is_there_is_told_by_its_own_copies() -> None:
    admin = FakeAdmin()
    admin.has("t", copies=3)
    admin.has("once", copies=1)
    wanted = [LAYOUT, Layout("once", 2, LAYOUT.settings)]

    changes = await plan(admin, wanted, 3)
    await apply(admin, changes, SimulatedClock(NOW))

    assert list(map(str, changes)) == [f"change t: {IN_SYNC} 1 -> 2"]
    assert await plan(admin, wanted, 3) == []


async def test_a_topic_that_never_appears_ends_the_wait() -> None:
    admin, clock = FakeAdmin(forgets=True), SimulatedClock(NOW)
    applying = asyncio.ensure_future(apply(admin, await plan(admin, [LAYOUT], 3), clock))
    await until(lambda: admin.asked == 2)

    clock.advance(KNOWN_SECONDS)

    with pytest.raises(Unavailable, match="Kafka took t, and does not know them 60 s later"):
        await applying


async def test_a_broker_that_may_not_be_lost_is_told() -> None:
    admin = FakeAdmin()
    for layout in layouts(CLUSTER):
        admin.has(layout.name, copies=3, in_sync=2)
    offsets, transactions = INTERNAL
    admin.has(offsets, copies=3)
    admin.has(transactions, copies=1)

    few, lax = await _all(safety(admin, CLUSTER))

    assert (few.state, lax.state) == (State.WARN, State.WARN)
    assert f"Fewer than 3 brokers keep {transactions}:" in few.sentence
    assert lax.sentence.startswith(f"{offsets} acknowledge")


async def test_three_copies_of_everything_are_well_and_one_broker_is_not_asked() -> None:
    admin = FakeAdmin()
    for layout in layouts(CLUSTER):
        admin.has(layout.name, copies=3, in_sync=2)

    [well] = await _all(safety(admin, CLUSTER))

    assert well.state is State.OK
    assert await _all(safety(FakeAdmin(brokers=1), CLUSTER)) == []


async def _all(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]
