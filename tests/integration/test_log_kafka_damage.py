"""A bad disk below the relay: what it damaged is told of in Kafka, and what it lost is given no number twice."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from services.local.broker import Broker
from shared.clock import SystemClock
from shared.errors import Invalid
from shared.log.folder import FolderLog
from shared.log.kafka.books import cluster_side
from shared.log.kafka.letters import KafkaLetters
from shared.log.kafka.relay import RELAY
from shared.log.sealed import POSITIONS
from shared.log.trim import Trimmer
from shared.metrics import FACT_GAPS
from shared.topics import ALL, INTERACTION_COMPLETED
from tests.kafka import KafkaHarness, a_cluster, messages
from tests.logs import Collecting, a_fact

TOPIC = INTERACTION_COMPLETED


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    return KafkaHarness(tmp_path, await a_cluster(broker, ALL, ("g",)))


def change(folder: Path, statement: str) -> None:
    """Do to the outbox what a disk might."""
    with closing(sqlite3.connect(folder / "edge-0.db", isolation_level=None)) as db:
        db.execute(statement)


def relay_goes_back_to(folder: Path, offset: int) -> None:
    """Leave the relay's position where it was before its last batch, as a kill does."""
    with closing(sqlite3.connect(folder / "edge-0.db", isolation_level=None)) as db:
        (source,) = db.execute("SELECT source FROM positions WHERE grp = 'relay'").fetchone()
        POSITIONS.put(db, [(RELAY, source, offset, "{}")])


def files(folder: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("edge-0.db*")}


def lose_what_came_after(kept: Mapping[Path, bytes], folder: Path) -> None:
    """Leave the outbox as it was, as a loss of power does."""
    for path in files(folder):
        path.unlink()
    for path, content in kept.items():
        if path.suffix != ".db-shm":
            path.write_bytes(content)


async def test_what_the_disk_has_damaged_is_a_dead_letter_in_kafka(
    log: KafkaHarness, tmp_path: Path
) -> None:
    group = Collecting(done=1)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(n) for n in range(1, 4)])
        change(tmp_path, "UPDATE records SET value = CAST('value X' AS BLOB) WHERE seq = 1")
        change(tmp_path, "UPDATE records SET key = 'acmf' WHERE seq = 2")
        await log.run(group, group.stop)
        own = FolderLog(tmp_path)
        now = timedelta(seconds=-1)
        await Trimmer("edge-0", outbox, own, [RELAY], SystemClock(), retention=now).trim()
        side = await cluster_side(log.cluster, [tmp_path], "g")
    letters = KafkaLetters(log.cluster, SystemClock())

    place, value = sorted(await letters.read(), key=lambda one: one.reason)

    assert [one.value for one in group.records] == [b"value 3"]
    assert (value.group, value.record.key, value.record.value) == (RELAY, "acme", b"value X")
    assert value.record.event_id == a_fact(1).event_id
    assert value.reason.startswith("the value is damaged")
    assert (place.record.key, place.record.value) == ("", b"value 2")
    assert place.reason.startswith("the record is damaged")
    ((cell, quarantined),) = [(k, n) for k, n in side.quarantined.items() if k[1] == "acme"]
    assert (cell[0], quarantined) == (TOPIC.name, 1)
    with pytest.raises(Invalid, match="cannot be played again: the value is damaged"):
        await letters.replay([value])


async def test_a_damaged_record_that_is_forwarded_twice_is_told_once(
    log: KafkaHarness, tmp_path: Path
) -> None:
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
        change(tmp_path, "UPDATE records SET value = x'00' WHERE seq = 1")
        await log.relay()
        relay_goes_back_to(tmp_path, offset=3)
        await log.relay()

    stored = await messages(log.cluster, TOPIC, TOPIC.dead_letters)
    assert len(stored) == 2
    assert len(await KafkaLetters(log.cluster, SystemClock()).read()) == 1


async def test_what_somebody_else_put_among_dead_letters_is_listed_and_hides_none(
    log: KafkaHarness, tmp_path: Path
) -> None:
    refusing = Collecting(done=1)
    refusing.reject = b"value 1"
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1)])
        await log.run(refusing, refusing.stop)
    producer = log.cluster.producer("zstd")
    await producer.start()
    await producer.send_and_wait(log.cluster.topic(TOPIC.dead_letters), b"{}", partition=0)
    await producer.stop()

    found = await KafkaLetters(log.cluster, SystemClock()).read(values=False)

    assert sorted((one.group, one.size, one.record.value) for one in found) == [
        ("", 2, b""),
        ("g", len(b"value 1"), b""),
    ]


async def test_of_what_comes_after_a_lost_tail_nothing_is_taken_for_a_repeat(
    log: KafkaHarness, tmp_path: Path
) -> None:
    group, later = Collecting(done=4), Collecting(done=2)
    gaps = FACT_GAPS.labels("g")._value.get()
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
        await log.relay()
        kept = files(tmp_path)
        await outbox.append([a_fact(3), a_fact(4)])
        await log.run(group, group.stop)

    lose_what_came_after(kept, tmp_path)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(5), a_fact(6)])
        await log.run(later, later.stop)

    assert [one.value for one in group.records] == [b"value %d" % n for n in (1, 2, 3, 4)]
    assert [(one.seq, one.value) for one in later.records] == [(1, b"value 5"), (2, b"value 6")]
    assert FACT_GAPS.labels("g")._value.get() == gaps


async def test_what_a_kill_left_unsent_keeps_its_numbers(log: KafkaHarness, tmp_path: Path) -> None:
    group = Collecting(done=4)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
        await log.relay()
        await outbox.append([a_fact(3)])
        kept = files(tmp_path)
    lose_what_came_after(kept, tmp_path)  # but for the word that it was closed, nothing

    async with log.outbox() as outbox:
        await outbox.append([a_fact(4)])
        await log.run(group, group.stop)

    assert [(one.seq, one.value) for one in group.records] == [
        (1, b"value 1"),
        (2, b"value 2"),
        (3, b"value 3"),
        (1, b"value 4"),
    ]
