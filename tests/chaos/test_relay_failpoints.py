"""The process of a door is killed between any two steps of its relay: what it accepted arrives, and once."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import pytest

from services.local.broker import Broker
from services.warehouse.store import GROUP
from shared.failpoints import KILLED, Step
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.relay import RELAY
from tests.chaos.door import call
from tests.chaos.processes import Child, a_child
from tests.chaos.report import Trial
from tests.chaos.sink import TOPICS
from tests.kafka import a_cluster, messages

STEPS = (Step.READ, Step.SENT, Step.HANDLED, Step.TOLD)
MOST_PASSES = 4
LAST_CALLS = 200
ENDLESS = 1_000_000
PATIENCE_SECONDS = 60


@pytest.mark.chaos
@pytest.mark.fault(2)
async def test_a_relay_killed_between_any_two_steps_costs_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    cluster = await a_cluster(broker, TOPICS, (GROUP,))
    calls = 0
    for step in trial.random.sample(STEPS, len(STEPS)):
        point = f"{RELAY}.{step}:{trial.random.randint(1, MOST_PASSES)}"
        with trial.recovery() if trial.faults else nullcontext():
            async with _a_door(tmp_path, cluster, calls, ENDLESS, point) as door:
                calls = await _accepted(door, calls, ENDLESS)
                assert await door.end() == KILLED
        trial.inject(f"killed at {step}")
    async with _a_door(tmp_path, cluster, calls, calls + LAST_CALLS) as door:
        calls = await _accepted(door, calls, calls + LAST_CALLS)
        facts = [fact for number in range(calls) for fact in call(number)]
        trial.ledger.accept(f"{fact.topic.name}/{fact.event_id}" for fact in facts)
        with trial.recovery():
            copies = await _arrived(cluster, len(facts))
    trial.judge(copies)


def _a_door(
    folder: Path, cluster: Cluster, first: int, last: int, fail_at: str = ""
) -> AbstractAsyncContextManager[Child]:
    log = folder / "door.log"
    words = (folder / "log", cluster.servers, cluster.prefix, first, last)
    return a_child(log, "tests.chaos.door", *words, "--log", log, "--fail-at", fail_at)


async def _accepted(door: Child, first: int, last: int) -> int:
    """The number after that of the last call which the door said yes to, before it ended or came to the last."""
    done = first
    while done < last and (line := await door.line()):
        done = int(line) + 1
    return done


async def _arrived(cluster: Cluster, n: int) -> Counter[str]:
    """How often each fact is in Kafka, once there are `n`, as a group counts them: each place of a lane once."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            records = [record for topic in TOPICS for record in await messages(cluster, topic)]
            places = {(record.lane, record.seq): record for record in records}
            copies = Counter(f"{each.topic}/{each.event_id}" for each in places.values())
            if len(copies) >= n:
                return copies
            await asyncio.sleep(0.1)
