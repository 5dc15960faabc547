"""Claims of the folder of outboxes: fair shares, and one order."""

from pathlib import Path

from shared.clock import SystemClock
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
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
