"""Claims of the folder of outboxes: fair shares, and one order."""

import sqlite3
from contextlib import closing
from pathlib import Path

from shared.clock import SystemClock
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.reader import READ_BYTES
from shared.log.record import Fact, Position
from shared.topics import INTERACTION_COMPLETED

TOPICS = [INTERACTION_COMPLETED.name]


async def a_file(folder: Path, name: str, facts: int) -> None:
    async with SqliteOutbox(folder / f"{name}.db", SystemClock()) as outbox:
        await outbox.append(
            [Fact(INTERACTION_COMPLETED, "acme", f"{name}-{n}", b"v") for n in range(facts)]
        )


async def test_what_one_file_leaves_of_its_share_goes_to_another(tmp_path: Path) -> None:
    await a_file(tmp_path, "core", 3)
    await a_file(tmp_path, "edge-0", 500)
    log = FolderLog(tmp_path)

    records, ranges = await log.poll(TOPICS, {}, 100)
    log.close()

    assert [record.producer for record in records] == ["core"] * 3 + ["edge-0"] * 97
    assert sorted(ranges.values()) == [(0, 4), (0, 98)]


async def test_a_file_with_much_leaves_the_others_their_share(tmp_path: Path) -> None:
    for name in ("edge-0", "edge-1"):
        await a_file(tmp_path, name, 500)
    log = FolderLog(tmp_path)

    records, _ = await log.poll(TOPICS, {}, 100)
    log.close()

    assert [record.producer for record in records] == ["edge-0"] * 50 + ["edge-1"] * 50


async def test_a_batch_is_read_again_in_its_order_whichever_file_came_first(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    await a_file(tmp_path, "edge-0", 30)
    assert len((await log.poll(TOPICS, {}, 100))[0]) == 30
    await a_file(tmp_path, "core", 80)

    records, ranges = await log.poll(TOPICS, {}, 100)
    again = await FolderLog(tmp_path).reread(TOPICS, ranges)
    log.close()

    assert again == records
    assert len(records) == 100


async def test_a_poll_of_large_facts_ends_long_before_its_limit(tmp_path: Path) -> None:
    large = b"x" * (READ_BYTES // 8)
    async with SqliteOutbox(tmp_path / "edge-0.db", SystemClock()) as outbox:
        await outbox.append([Fact(INTERACTION_COMPLETED, "acme", f"{n}", large) for n in range(20)])
    log = FolderLog(tmp_path)

    first, ranges = await log.poll(TOPICS, {}, 5_000)
    [(source, (_, end))] = ranges.items()
    second, _ = await log.poll(TOPICS, {source: Position(end)}, 5_000)
    again = await log.reread(TOPICS, {source: (0, 21)})
    log.close()

    assert [record.seq for record in first] == [*range(1, 9)]
    assert [record.seq for record in second] == [*range(9, 17)]
    assert len(again) == 20


async def test_a_file_whose_end_cannot_be_read_keeps_nobody_from_counting_in_the_others(
    tmp_path: Path,
) -> None:
    for name in ("core", "edge-0"):
        await a_file(tmp_path, name, 3)
    ruin(tmp_path / "edge-0.db", "sqlite_sequence")
    log = FolderLog(tmp_path)

    records, _ = await log.poll(TOPICS, {}, 100)
    waiting = await log.waiting({})
    log.close()

    assert [record.producer for record in records] == ["core"] * 3
    assert waiting == 4  # offsets that `core` has given, counted from 0


def ruin(path: Path, table: str) -> None:
    """Make a table's first page none."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage - 1, (SELECT page_size FROM pragma_page_size) FROM sqlite_master"
        page, size = db.execute(f"{sql} WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek(page * size)
        file.write(b"\xff" * size)
