"""The broker is killed, frozen, and has a topic made anew: doors accept all the while, and it all arrives once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.layout import layouts
from shared.topics import INTERACTION_COMPLETED
from tests.chaos.line import Line, a_line
from tests.chaos.report import Trial
from tests.kafka import make

AWAY_SECONDS = 10.0
FROZEN_SECONDS = 20.0  # longer than a request may take, and than a session lasts
SLOWEST_ACCEPTANCE_SECONDS = 1.0


@pytest.mark.chaos
@pytest.mark.fault(5)
async def test_doors_accept_while_the_broker_is_dead_and_it_all_arrives(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with _a_busy_line(trial, broker, tmp_path) as line:
        broker.kill()
        trial.kill("broker")
        before = line.calls
        await asyncio.sleep(AWAY_SECONDS)
        assert line.calls > before
        await asyncio.to_thread(broker.start)


@pytest.mark.chaos
@pytest.mark.fault(6)
async def test_a_broker_that_is_frozen_past_every_deadline_costs_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with _a_busy_line(trial, broker, tmp_path):
        broker.freeze()
        trial.inject("broker frozen")
        await asyncio.sleep(FROZEN_SECONDS)
        broker.thaw()


@asynccontextmanager
async def _a_busy_line(trial: Trial, broker: Broker, folder: Path) -> AsyncIterator[Line]:
    """A line at some moment of its traffic; the broker is back at the end, and no door was ever slow."""
    async with a_line(folder, broker, trial) as line, line.a_store(), line.a_sink():
        async with line.traffic():
            await line.stored(line.calls + 1)
            await asyncio.sleep(trial.random.uniform(0.01, 0.5))
            yield line
            with trial.recovery():
                await line.stored(line.calls + 1)
        await line.drain()
    assert max(line.accepted_in) < SLOWEST_ACCEPTANCE_SECONDS


@pytest.mark.chaos
@pytest.mark.fault(7)
async def test_a_topic_made_anew_is_noticed_and_read_from_its_start(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        async with line.a_sink() as sink:
            await line.accept(300)
            await line.drain()
            await _make_anew(line.cluster)
            trial.inject("topic made anew")
            await line.accept(300)
            with trial.recovery():
                await line.drain()
        assert {told["topic"] for told in sink.told("topic.made_anew")} == {
            INTERACTION_COMPLETED.name
        }
        assert sink.told("fact_gap") == []


async def _make_anew(cluster: Cluster) -> None:
    topic = cluster.topic(INTERACTION_COMPLETED.name)
    admin = cluster.admin()
    await admin.start()
    await admin.delete_topics([topic])
    while topic in await admin.list_topics():
        await asyncio.sleep(0.05)
    await admin.close()
    await make(cluster, layouts(cluster, [INTERACTION_COMPLETED]))
