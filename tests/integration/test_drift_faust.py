"""Drift hosted by Faust on a real broker: what it finds is what it finds over the embedded log, whatever is killed."""

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from aiokafka.errors import KafkaError

from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.measurement_pb2 import DriftMeasured

from services.drift.stream import DriftHandler
from services.local.broker import Broker
from shared.clock import micros
from shared.log.folder import FolderLog
from shared.log.record import Effect, Fact, Record
from shared.topics import (
    DRIFT_DETECTED,
    DRIFT_MEASURED,
    INTERACTION_COMPLETED,
    INTERACTION_EMBEDDED,
    Topic,
)
from tests.builders import NOW, a_fact, a_feedback, an_interaction_completed
from tests.drift import TOPICS, a_drift_handler
from tests.embedded import EmbeddedHarness
from tests.kafka import KafkaHarness, a_cluster, messages
from tests.waiting import until

PATIENCE_SECONDS = 120
CALLS = 240
SHIFTED_AFTER = 160
BEGUN_US = micros(NOW) - 800_000_000  # no window is closed because its stream fell silent
FOUND = (DRIFT_DETECTED, DRIFT_MEASURED)
KILLED = 137
Expected = Mapping[str, Mapping[str, str]]  # by topic and id, what was found
ALL_NUMBERS = set(range(INTERACTION_COMPLETED.partitions))


def facts() -> list[Fact]:
    """Calls of two tenants whose inputs shift at one moment, and thumbs that turn down at another."""
    rng = np.random.default_rng(7)
    told = []
    for n in range(CALLS):
        tenant = ("acme", "globex")[n % 2]
        interaction_id = f"0190a6c8-0000-7000-8000-{n:012d}"
        vector = rng.normal(size=3) + (8 if n >= SHIFTED_AFTER else 0)
        call = an_interaction_completed(
            interaction_id=interaction_id,
            tenant=tenant,
            embedding=vector.tolist(),
            started_at_us=BEGUN_US + n * 2_000_000,
        )
        thumb = a_feedback(
            feedback_id=f"0190a6c8-0000-7000-9000-{n:012d}",
            tenant=tenant,
            interaction_id=interaction_id,
            label="down" if n >= SHIFTED_AFTER else "up",
        )
        told += [a_fact(call), a_fact(thumb)]
    return told


class Counted:
    """The handler, until it has seen so many records."""

    def __init__(self, handler: DriftHandler, done: int) -> None:
        self._handler = handler
        self._left = done
        self.stop = asyncio.Event()

    def restore(self, states: Mapping[str, bytes]) -> None:
        self._handler.restore(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        self._left -= len(records)
        if self._left <= 0:
            self.stop.set()
        return await self._handler.handle(records)


@pytest.fixture
async def expected(tmp_path: Path) -> Expected:
    """The detections and the windows over the embedded log, by their ids."""
    log = EmbeddedHarness(tmp_path / "embedded")
    handler = Counted(a_drift_handler(), 2 * CALLS)
    async with log.outbox() as outbox:
        await outbox.append(facts())
        await log.run(handler, handler.stop, "drift", TOPICS)
        reader = FolderLog(tmp_path / "embedded").readers()[0]
        found, _ = reader.read([DRIFT_DETECTED.name, DRIFT_MEASURED.name], 0, 10_000)
    kinds = Counter((record.topic, record.key) for record in found)
    assert kinds.keys() == {(topic.name, key) for topic in FOUND for key in ("acme", "globex")}
    return {
        topic.name: {
            record.event_id: said(record) for record in found if record.topic == topic.name
        }
        for topic in FOUND
    }


def said(record: Record) -> str:
    """What was found; but of a window's statistics their last digits, which turn on how rows are cut into batches."""
    if record.topic == DRIFT_DETECTED.name:
        return str(DriftDetected.FromString(record.value))
    message = DriftMeasured.FromString(record.value)
    if message.watched_rows:
        message.mean_statistic = round(message.mean_statistic, 3)
        message.highest_statistic = round(message.highest_statistic, 3)
    return str(message)


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    topics = (*TOPICS, INTERACTION_EMBEDDED, *FOUND)
    return KafkaHarness(tmp_path, await a_cluster(broker, topics, ["drift"], tabled=["drift"]))


def said_by(folder: Path, name: str) -> Path:
    """The file of what a member says of itself."""
    return folder / f"{name}.out"


def shares(folder: Path, name: str) -> list[set[int]]:
    """The partition numbers that a member took, each time that it did."""
    said = said_by(folder, name).read_text()
    return [set(json.loads(numbers)) for numbers in re.findall(r"partitions=(\[[0-9, ]*\])", said)]


@asynccontextmanager
async def a_member(
    log: KafkaHarness, folder: Path, fail_at: str = "", name: str = "drift-0"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Drift as a process; what it says of itself lies in the folder."""
    cluster = log.cluster
    with said_by(folder, name).open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.drift_member", cluster.servers, cluster.prefix),
            *(name, str(folder / name), fail_at),
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def told(log: KafkaHarness, topic: Topic, n: int = CALLS) -> list[Record]:
    """What stands in a topic, once `n` different facts do."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(KafkaError):  # a broker that has just come back, or topics just made
                found = await messages(log.cluster, topic)
                if len({record.event_id for record in found}) >= n:
                    return found
            await asyncio.sleep(0.2)


def assert_repeats_are_seen(records: Sequence[Record]) -> None:
    """Each lane counts 1, 2, 3, ...; a record that stands there again is the same one, and each fact is one."""
    places = {(record.lane, record.seq): record for record in records}
    lanes: dict[str, set[int]] = {}
    for record in records:
        assert places[record.lane, record.seq].value == record.value
        lanes.setdefault(record.lane, set()).add(record.seq)
    assert all(seqs == set(range(1, len(seqs) + 1)) for seqs in lanes.values())
    assert len({record.event_id for record in records}) == len(places)


async def assert_as_expected(log: KafkaHarness, expected: Expected) -> None:
    assert_repeats_are_seen(await told(log, INTERACTION_EMBEDDED))
    for topic in FOUND:
        records = await told(log, topic, len(expected[topic.name]))
        assert_repeats_are_seen(records)
        assert {record.event_id: said(record) for record in records} == expected[topic.name]


async def test_faust_finds_what_the_embedded_log_finds(
    log: KafkaHarness, tmp_path: Path, expected: Expected
) -> None:
    async with log.outbox() as outbox, log.relaying(), a_member(log, tmp_path):
        await outbox.append(facts())

        await assert_as_expected(log, expected)


@pytest.mark.parametrize("step", ["handled", "stored", "sent", "told"])
async def test_killed_behind_any_step_it_finds_the_same_and_tells_each_fact_once(
    log: KafkaHarness, tmp_path: Path, expected: Expected, step: str
) -> None:
    async with log.outbox() as outbox, log.relaying():
        await outbox.append(facts())
        async with a_member(log, tmp_path, f"drift.{step}:4") as killed:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await killed.wait() == KILLED

        async with a_member(log, tmp_path):
            await assert_as_expected(log, expected)


async def test_killed_in_mid_stream_again_and_again_it_finds_the_same(
    log: KafkaHarness, tmp_path: Path, expected: Expected
) -> None:
    everything = facts()
    async with log.outbox() as outbox, log.relaying():
        for n in range(3):
            await outbox.append(everything[n * CALLS // 2 : (n + 1) * CALLS // 2])
            async with a_member(log, tmp_path) as member:
                await told(log, INTERACTION_EMBEDDED, 1 + n * CALLS // 4)
                member.kill()
                await member.wait()
        await outbox.append(everything[3 * CALLS // 2 :])

        async with a_member(log, tmp_path):
            await assert_as_expected(log, expected)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["told to end", "killed"])
async def test_members_that_come_and_go_lose_nothing_and_tell_each_fact_once(
    log: KafkaHarness, tmp_path: Path, expected: Expected, end: signal.Signals
) -> None:
    everything = facts()
    quarter = CALLS // 2
    async with log.outbox() as outbox, log.relaying(), a_member(log, tmp_path):
        await outbox.append(everything[:quarter])
        await told(log, INTERACTION_EMBEDDED, 20)
        async with a_member(log, tmp_path, name="drift-1") as second:
            await outbox.append(everything[quarter : 2 * quarter])
            await until(lambda: any(shares(tmp_path, "drift-1")), seconds=PATIENCE_SECONDS)
            await outbox.append(everything[2 * quarter : 3 * quarter])
            await told(log, INTERACTION_EMBEDDED, CALLS // 2 + 10)
            second.send_signal(end)
            await second.wait()
            await outbox.append(everything[3 * quarter :])

            await assert_as_expected(log, expected)

    assert shares(tmp_path, "drift-1")[-1] < ALL_NUMBERS
    assert shares(tmp_path, "drift-0")[-1] == ALL_NUMBERS


async def test_a_broker_that_dies_and_comes_back_costs_nothing(
    log: KafkaHarness, broker: Broker, tmp_path: Path, expected: Expected
) -> None:
    everything = facts()
    async with log.outbox() as outbox, log.relaying(), a_member(log, tmp_path):
        await outbox.append(everything[:CALLS])
        await told(log, INTERACTION_EMBEDDED, 50)
        broker.kill()
        await outbox.append(everything[CALLS:])
        await asyncio.to_thread(broker.start)

        await assert_as_expected(log, expected)


async def test_what_is_no_fact_is_buried_and_its_neighbours_pass(
    log: KafkaHarness, tmp_path: Path
) -> None:
    everything = facts()
    poison = Fact(INTERACTION_COMPLETED, "acme", "0190a6c8-0000-7000-a000-000000000001", b"\xff")
    async with log.outbox() as outbox, log.relaying(), a_member(log, tmp_path):
        await outbox.append([*everything[:20], poison, *everything[20:40]])

        await told(log, INTERACTION_EMBEDDED, 20)
        letters = await told(log, INTERACTION_COMPLETED, 21)
        dead = await log.dead(INTERACTION_COMPLETED)

    assert len(letters) == 21
    assert [(letter.event_id, letter.value) for letter in dead] == [(poison.event_id, b"\xff")]
    assert dead[0].headers["reason"] == "not a InteractionCompleted message"
