"""Claims of the seals: what the disk changed is named, what is beside it passes, and old files are read as ever."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import Invalid
from shared.log.folder import FolderLog
from shared.log.letters import FolderLetters
from shared.log.outbox import SqliteOutbox
from shared.log.reader import OutboxReader
from shared.log.record import Record
from shared.metrics import FACT_GAPS, OUTBOX_DAMAGED
from shared.topics import INTERACTION_COMPLETED
from tests.embedded import EmbeddedHarness, an_outbox
from tests.logs import Collecting, a_fact

TOPIC = INTERACTION_COMPLETED


async def an_edge(folder: Path, facts: int, damage: str = "") -> None:
    """An outbox with facts 0, 1, 2, ..., to which a statement of SQL does what a disk might."""
    async with an_outbox(folder) as outbox:
        await outbox.append([a_fact(n) for n in range(facts)])
    with closing(sqlite3.connect(folder / "edge-0.db", isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute(damage or "SELECT 1")


def read(folder: Path) -> Sequence[Record]:
    return OutboxReader(folder / "edge-0.db").read([TOPIC.name], 0, 100)[0]


async def test_a_damaged_value_is_told_with_its_place(tmp_path: Path) -> None:
    await an_edge(tmp_path, 3, "UPDATE records SET value = CAST('value X' AS BLOB) WHERE seq = 2")

    found = read(tmp_path)

    assert [(one.seq, bool(one.damage)) for one in found] == [(1, False), (2, True), (3, False)]
    assert (found[1].key, found[1].value) == ("acme", b"value X")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET key = 'acmf' WHERE seq = 2",
        "UPDATE records SET seq = 130 WHERE seq = 2",
        "UPDATE records SET partition = partition + 1 WHERE seq = 2",
        "UPDATE records SET event_id = CAST(x'ff00' AS TEXT) WHERE seq = 2",
        "UPDATE records SET topic = 'interaction.comqleted.v1' WHERE seq = 2",
        "UPDATE records SET accepted_at_us = accepted_at_us + 4 WHERE seq = 2",
        "UPDATE records SET headers = '{}' WHERE seq = 2",
        "UPDATE records SET id = 900 WHERE seq = 3",
        "UPDATE records SET place_sum = NULL, value_sum = NULL WHERE seq = 2",
    ],
)
async def test_a_damaged_place_is_in_nobodys_name_and_leaves_a_gap(
    tmp_path: Path, damage: str
) -> None:
    await an_edge(tmp_path, 4, damage)
    log, group = EmbeddedHarness(tmp_path), Collecting(done=3)
    before = FACT_GAPS.labels("g")._value.get()
    async with log.outbox("core"):
        await log.run(group, group.stop)
        dead, _ = OutboxReader(tmp_path / "core.db").read([TOPIC.dead_letters], 0, 10)

    assert len(group.records) == 3
    assert [(one.key, one.event_id) for one in dead] == [("", "")]
    assert dead[0].headers["reason"].startswith("the record is damaged")
    assert FACT_GAPS.labels("g")._value.get() - before == 1


async def test_a_damaged_letter_is_never_played_again(tmp_path: Path) -> None:
    await an_edge(tmp_path, 2, "UPDATE records SET value = x'00' WHERE seq = 1")
    log, group = EmbeddedHarness(tmp_path), Collecting(done=1)
    async with log.outbox("core"):
        await log.run(group, group.stop)
    letters = FolderLetters(tmp_path, SystemClock())

    with pytest.raises(Invalid, match="core:1 cannot be played again: the value is damaged"):
        await letters.replay(await letters.read())


async def test_a_file_of_an_earlier_version_is_read_as_it_is_and_sealed_from_then_on(
    tmp_path: Path,
) -> None:
    await an_edge(tmp_path, 2)
    with closing(sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None)) as db:
        db.execute("ALTER TABLE records DROP COLUMN place_sum")
        db.execute("ALTER TABLE records DROP COLUMN value_sum")
        db.execute("DELETE FROM meta WHERE name IN ('sealed_from', 'epoch_sum')")
    earlier = read(tmp_path)

    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(2)])
    with closing(sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None)) as db:
        db.execute("UPDATE records SET value = x'00' WHERE seq > 1")

    assert [one.value for one in earlier] == [b"value 0", b"value 1"]
    assert [bool(one.damage) for one in read(tmp_path)] == [False, False, True]


async def test_a_file_that_is_none_any_more_is_told_of_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    await an_edge(tmp_path, 50)
    async with an_outbox(tmp_path, "edge-1") as outbox:
        await outbox.append([a_fact(900)])
    whole = (tmp_path / "edge-0.db").read_bytes()
    (tmp_path / "edge-0.db").write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    log = FolderLog(tmp_path)

    records, ranges = await log.poll([TOPIC.name], {}, 100)
    log.close()

    assert [one.event_id for one in records] == [a_fact(900).event_id]
    assert [name.partition("/")[0] for name in ranges] == ["edge-1"]
    assert OUTBOX_DAMAGED.labels("edge-0")._value.get() == 1


async def test_numbers_are_not_given_twice_when_a_tail_is_lost(tmp_path: Path) -> None:
    log, group = EmbeddedHarness(tmp_path), Collecting(done=5)
    async with SqliteOutbox(tmp_path / "edge-0.db", SystemClock()) as edge:
        await edge.append([a_fact(n) for n in range(5)])
        async with log.outbox("core"):
            await log.run(group, group.stop)
    with closing(sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None)) as db:
        db.execute("DELETE FROM records WHERE seq > 2")
        db.execute("UPDATE lanes SET seq = 2")
        db.execute("UPDATE sqlite_sequence SET seq = 2")

    async with SqliteOutbox(tmp_path / "edge-0.db", SystemClock()) as edge:
        await edge.append([a_fact(7)])

    assert [(one.offset, one.seq) for one in read(tmp_path)] == [(1, 1), (2, 2), (6, 1)]
