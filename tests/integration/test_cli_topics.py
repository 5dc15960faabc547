"""`leeway topics apply` against a broker."""

import asyncio
import uuid
from collections.abc import Mapping

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner, Result

from services.cli import topics
from services.local.broker import Broker
from shared.errors import Conflict, Invalid
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.layout import IN_SYNC, Layout, layouts
from shared.topics import INTERACTION_COMPLETED, REGISTRY_CHANGED
from tests.kafka import make

PATIENCE_SECONDS = 60


@pytest.fixture
def cluster(broker: Broker) -> Cluster:
    return Cluster(broker.servers, prefix=f"{uuid.uuid4().hex[:8]}.")


async def apply(cluster: Cluster, *arguments: str) -> Result:
    environment = {"LEEWAY_KAFKA": cluster.servers, "LEEWAY_KAFKA_PREFIX": cluster.prefix}
    return await asyncio.to_thread(
        CliRunner().invoke, topics.app, ["apply", *arguments], env=environment
    )


async def settings(cluster: Cluster, topic: str) -> Mapping[str, str]:
    admin = cluster.admin()
    await admin.start()
    resource = ConfigResource(ConfigResourceType.TOPIC, cluster.topic(topic))
    (response,) = await admin.describe_configs([resource])
    await admin.close()
    entries = response.to_object()["resources"][0]["config_entries"]
    return {entry["config_names"]: entry["config_value"] for entry in entries}


async def until(cluster: Cluster, topic: str, name: str, value: str) -> Mapping[str, str]:
    """The settings of a topic, once the broker that is asked has heard of the change."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await settings(cluster, topic))[name] != value:
            await asyncio.sleep(0.05)
    return found


async def test_a_dry_run_says_what_would_be_made_and_makes_nothing(cluster: Cluster) -> None:
    first = await apply(cluster, "--dry-run")
    second = await apply(cluster, "--dry-run")

    assert first.stdout == second.stdout
    assert first.stdout.count("make ") == len(layouts(cluster))
    assert first.stdout.endswith("Nothing was changed.\n")


async def test_topics_are_made_as_the_code_needs_them_and_once(cluster: Cluster) -> None:
    made = await apply(cluster)
    again = await apply(cluster)

    facts = await settings(cluster, INTERACTION_COMPLETED.name)
    registry = await settings(cluster, REGISTRY_CHANGED.name)
    state = await settings(cluster, "leeway.billing.state")
    assert made.stdout.endswith("Done.\n")
    assert again.stdout == "Nothing to change.\n"
    assert (facts["retention.ms"], facts["cleanup.policy"]) == (str(168 * 3_600_000), "delete")
    assert (registry["retention.ms"], registry["cleanup.policy"]) == ("-1", "delete")
    assert state["cleanup.policy"] == "compact"


async def test_what_differs_is_put_right_and_what_an_operator_added_stays(
    cluster: Cluster,
) -> None:
    await apply(cluster)
    admin = cluster.admin()
    await admin.start()
    topic = cluster.topic(INTERACTION_COMPLETED.name)
    changed = {"retention.ms": "1000", "segment.ms": "600000", IN_SYNC: "2"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changed)])
    await admin.close()
    await until(cluster, INTERACTION_COMPLETED.name, "retention.ms", "1000")

    told = await apply(cluster)

    after = await until(cluster, INTERACTION_COMPLETED.name, "retention.ms", "604800000")
    assert f"change {topic}: " in told.stdout
    assert "retention.ms 1000 -> 604800000" in told.stdout
    assert f"{IN_SYNC} 2 -> 1" in told.stdout
    assert (after["retention.ms"], after["segment.ms"]) == ("604800000", "600000")
    assert after[IN_SYNC] == "1"


async def test_another_number_of_partitions_is_refused(cluster: Cluster) -> None:
    await make(cluster, [Layout(cluster.topic(INTERACTION_COMPLETED.name), 3, {})])

    refused = await apply(cluster)

    assert isinstance(refused.exception, Conflict)
    assert "has 3 partitions, not 12" in refused.exception.message


async def test_without_kafka_there_is_nothing_to_apply() -> None:
    refused = await asyncio.to_thread(CliRunner().invoke, topics.app, ["apply"])

    assert isinstance(refused.exception, Invalid)
