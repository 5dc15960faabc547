"""What waits for a group, on a broker: transactions take offsets too, and nobody has to read those."""

import asyncio
from collections.abc import Mapping

import pytest

from services.local.broker import Broker
from shared.clock import SystemClock
from shared.log.file import Ranges
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.seat import Seat
from shared.log.record import Effect, Position
from shared.topics import USAGE_RATED
from tests.kafka import a_cluster
from tests.logs import a_fact

PATIENCE_SECONDS = 20
TENANTS = ("acme", "bank", "clinic")


@pytest.fixture
async def cluster(broker: Broker) -> Cluster:
    return await a_cluster(broker, (USAGE_RATED,), ("g", "w"))


async def _told(cluster: Cluster, number: int) -> None:
    """One fact of each tenant, each in a transaction of its partition."""
    for tenant in TENANTS:
        fact = a_fact(number, tenant=tenant, topic=USAGE_RATED)
        seat = Seat("g", USAGE_RATED.partition(tenant), cluster)
        await seat.claim()
        await seat.commit({"s": Position(number)}, Effect(facts=[fact]), 0)
        await seat.close()


async def _batch(member: KafkaGroup) -> Ranges:
    """Where the next batch came from."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (ranges := (await member.poll([], {}, 10))[1]):
            await asyncio.sleep(0.02)
    return ranges


async def _until_nothing_waits(member: KafkaGroup, positions: Mapping[str, Position]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await member.waiting(positions):
            assert await member.poll([], {}, 10) == ([], {})
            await asyncio.sleep(0.02)


def _behind(ranges: Ranges) -> Mapping[str, Position]:
    return {source: Position(end) for source, (_, end) in ranges.items()}


async def test_nothing_waits_behind_the_last_transaction(cluster: Cluster) -> None:
    await _told(cluster, 1)
    async with KafkaGroup("w", [USAGE_RATED], cluster, SystemClock()) as member:
        await member.load("w")
        positions: dict[str, Position] = {}
        while len(positions) < len(TENANTS):
            passed = _behind(await _batch(member))
            await member.commit("w", passed, Effect())
            positions |= passed

        await _until_nothing_waits(member, positions)

    async with KafkaGroup("w", [USAGE_RATED], cluster, SystemClock()) as member:
        positions = dict((await member.load("w")).positions)
        await _until_nothing_waits(member, positions)
    assert len(positions) == len(TENANTS)


async def test_what_is_in_hand_or_fetched_waits_until_it_is_passed(cluster: Cluster) -> None:
    await _told(cluster, 1)
    async with KafkaGroup("w", [USAGE_RATED], cluster, SystemClock()) as member:
        positions: dict[str, Position] = {}
        await member.load("w")
        for _ in TENANTS:
            ranges = await _batch(member)
            begun = {source: Position(start) for source, (start, _) in ranges.items()}

            assert await member.waiting(begun) >= 1

            await member.commit("w", _behind(ranges), Effect())
            positions |= _behind(ranges)
        await _told(cluster, 2)
        ranges = await _batch(member)

        assert await member.waiting(positions) >= len(ranges)
