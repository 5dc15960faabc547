"""The embedded log, held to the suite of the log's ports, and to what is its own."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import SimulatedClock, micros
from shared.errors import Conflict, Unavailable
from shared.log.folder import FolderLog
from shared.log.outbox import TRIM_STEP, SqliteOutbox
from shared.log.record import Fact, OpenCall
from shared.metrics import FACTS_ACCEPTED
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED
from tests.contract.log_suite import LogSuite
from tests.embedded import EmbeddedHarness, an_outbox
from tests.logs import a_fact


class TestEmbeddedLog(LogSuite):
    @pytest.fixture
    def log(self, tmp_path: Path) -> EmbeddedHarness:
        return EmbeddedHarness(tmp_path)


async def test_a_fact_sent_again_is_counted_once(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1)])
        await outbox.append([a_fact(1), a_fact(2)])

        counts = [
            row for reader in FolderLog(tmp_path).readers() for row in reader.counts("accepted")
        ]

    assert sum(n for *_, n in counts) == 2


async def test_a_refused_fact_is_counted_neither_in_the_books_nor_as_accepted(
    tmp_path: Path,
) -> None:
    metric = FACTS_ACCEPTED.labels(INTERACTION_COMPLETED.name)._value
    before = metric.get()
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1, digest=b"1"), a_fact(1, digest=b"2")])
        counts = [
            row for reader in FolderLog(tmp_path).readers() for row in reader.counts("accepted")
        ]

    assert sum(n for *_, n in counts) == 1
    assert metric.get() - before == 1


async def test_a_file_of_an_earlier_version_is_taken_over_and_its_ids_conflict_with_nothing(
    tmp_path: Path,
) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1)])
    with closing(sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None)) as db:
        db.execute("ALTER TABLE seen DROP COLUMN digest")

    async with an_outbox(tmp_path) as outbox:
        refused = await outbox.append([a_fact(1, digest=b"1"), a_fact(2, digest=b"1")])
    async with an_outbox(tmp_path) as outbox:
        later = await outbox.append([a_fact(1, digest=b"2"), a_fact(2, digest=b"2")])
        records, _ = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.name], 0, 10)

    assert (list(refused), list(later)) == ([], [a_fact(2, digest=b"2")])
    assert [r.value for r in records] == [b"value 1", b"value 2"]


async def test_a_call_is_closed_even_when_its_fact_is_refused(tmp_path: Path) -> None:
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1, digest=b"sent")])
        await outbox.open(OpenCall("a", opened, b"partial a"))

        refused = await outbox.append([a_fact(1)], closes=["a"])
    async with an_outbox(tmp_path) as outbox:
        assert (list(refused), outbox.orphans()) == ([a_fact(1)], [])


async def test_an_open_call_survives_until_it_is_closed(tmp_path: Path) -> None:
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    async with an_outbox(tmp_path) as outbox:
        await outbox.open(OpenCall("a", opened, b"partial a"))
        await outbox.open(OpenCall("b", opened, b"partial b"))
        await outbox.append([a_fact(1)], closes=["a"])
    async with an_outbox(tmp_path) as outbox:
        assert outbox.orphans() == [OpenCall("b", opened, b"partial b")]


async def test_one_process_writes_one_outbox(tmp_path: Path) -> None:
    async with an_outbox(tmp_path):
        with pytest.raises(Conflict):
            async with an_outbox(tmp_path):
                pass


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1)])
        with sqlite3.connect(tmp_path / "edge-0.db", isolation_level=None) as db:
            db.execute("PRAGMA journal_mode")
        outbox._file._db.execute("PRAGMA max_page_count = 20")

        big = [Fact(INTERACTION_COMPLETED, "acme", f"id {n}", b"x" * 4000) for n in range(500)]
        with pytest.raises(Unavailable):
            await outbox.append(big)
        outbox._file._db.execute("PRAGMA max_page_count = 100000")
        await outbox.append([a_fact(900)])
        records, _ = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.name], 0, 1000)

    assert [r.seq for r in records] == list(range(1, len(records) + 1))
    assert records[-1].value == b"value 900"


async def test_trimming_keeps_what_a_compacted_topic_needs(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1), a_fact(2, topic=FEEDBACK_RECEIVED), a_fact(3)])

        gone = await outbox.trim(4, [FEEDBACK_RECEIVED.name], 0)
        reader = FolderLog(tmp_path).readers()[0]
        left, _ = reader.read([INTERACTION_COMPLETED.name, FEEDBACK_RECEIVED.name], 0, 10)

    assert gone == 2
    assert [r.value for r in left] == [b"value 2"]


async def test_trimming_goes_on_until_nothing_before_the_offset_is_left(tmp_path: Path) -> None:
    count = 2 * TRIM_STEP + 7
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(count)])

        gone = await outbox.trim(count, [], 0)
        left, _ = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.name], 0, 10)

    assert gone == count - 1
    assert [r.seq for r in left] == [count]


async def test_an_id_is_accepted_again_only_after_it_was_forgotten(tmp_path: Path) -> None:
    day = timedelta(days=1)
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with SqliteOutbox(tmp_path / "edge-0.db", clock) as outbox:
        await outbox.append([a_fact(n) for n in range(TRIM_STEP + 1)])
        clock.advance(day.total_seconds())
        await outbox.append([a_fact(900)])

        await outbox.trim(0, [], micros(clock.now() - day / 2))
        await outbox.append([a_fact(0), a_fact(TRIM_STEP), a_fact(900)])
        records, _ = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.name], 0, 1000)

    again = [r.value for r in records[TRIM_STEP + 2 :]]
    assert again == [b"value 0", f"value {TRIM_STEP}".encode()]
