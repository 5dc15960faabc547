"""A flood of one tenant, on a broker: tenants in other partitions of the same member come between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from services.local.broker import Broker
from shared.log.kafka.cluster import MAX_MESSAGE_BYTES
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED
from tests.kafka import KafkaHarness, a_cluster
from tests.logs import LIMITS, Collecting, a_fact

FACT_BYTES = 10_000  # random, so that they weigh the same on the broker
FLOOD, FEW = 4_000, 10
TENANTS = ("bank", "corp", "dune")  # each in a partition of its own, as the flood of `acme` is


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    return KafkaHarness(tmp_path, await a_cluster(broker, (INTERACTION_COMPLETED,), ("g",)))


def a_flood() -> Iterator[Fact]:
    random = Random(1)
    return (replace(a_fact(n), value=random.randbytes(FACT_BYTES)) for n in range(FLOOD))


async def test_tenants_of_other_partitions_wait_for_one_fetch_of_a_flood_and_not_for_its_end(
    log: KafkaHarness,
) -> None:
    handler = Collecting(done=FLOOD + len(TENANTS) * FEW)
    async with log.outbox() as outbox:
        await outbox.append([*a_flood()])
        for tenant in TENANTS:
            await outbox.append([a_fact(n, tenant=tenant) for n in range(FLOOD, FLOOD + FEW)])

        await log.run(handler, handler.stop)

    order = [record.key for record in handler.records]
    waited = {tenant: order.index(tenant) for tenant in TENANTS}
    one_fetch = MAX_MESSAGE_BYTES // FACT_BYTES
    assert max(waited.values()) <= one_fetch + 2 * LIMITS.max_records, waited
