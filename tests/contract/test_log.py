"""One suite over every implementation of the log's ports."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import SimulatedClock, SystemClock, micros
from shared.errors import Conflict, Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.outbox import TRIM_STEP, SqliteOutbox
from shared.log.record import DeadLetter, Effect, Fact, Handler, OpenCall, Record
from shared.metrics import FACT_GAPS
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, USAGE_RATED, Topic

LIMITS = ConsumerLimits(
    max_records=100,
    max_age_seconds=0.01,
    first_retry_seconds=0.01,
    last_retry_seconds=0.02,
    max_consecutive_dead_letters=5,
)


def a_fact(n: int, *, tenant: str = "acme", topic: Topic = INTERACTION_COMPLETED) -> Fact:
    return Fact(topic, tenant, f"00000000-0000-7000-8000-{n:012d}", f"value {n}".encode())


@asynccontextmanager
async def an_outbox(folder: Path, name: str = "edge-0") -> AsyncIterator[SqliteOutbox]:
    async with SqliteOutbox(folder / f"{name}.db", SystemClock()) as outbox:
        yield outbox


class Collecting:
    """Keeps every record; can be told to fail, to crash on a value, or to reject a value."""

    exact_batches = False

    def __init__(self, done: int) -> None:
        self.records: list[Record] = []
        self.batches: list[list[str]] = []
        self.unavailable = 0
        self.crash_on: bytes | None = None
        self.reject: bytes | None = None
        self.restored: Mapping[str, bytes] = {}
        self.done = done
        self.stop = asyncio.Event()

    def restore(self, states: Mapping[str, bytes]) -> None:
        self.restored = dict(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.batches.append([r.event_id for r in records])
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("not now")
        if any(r.value == self.crash_on for r in records):
            raise ValueError("poison")
        letters = [DeadLetter(r, "no") for r in records if self.reject and self.reject in r.value]
        self.records += [r for r in records if r not in [x.record for x in letters]]
        count = str(len(self.records)).encode()
        if len(self.records) + len(letters) >= self.done:
            self.stop.set()
        return Effect(dead_letters=letters, states={"count": count})


def a_consumer(
    folder: Path,
    outbox: SqliteOutbox,
    handler: Handler,
    group: str = "g",
    topics: Sequence[Topic] = (),
) -> Consumer:
    return Consumer(
        group,
        topics or [INTERACTION_COMPLETED],
        FolderLog(folder),
        outbox,
        handler,
        LIMITS,
        SystemClock(),
    )


async def run(consumer: Consumer, handler: Collecting) -> None:
    async with asyncio.timeout(10):
        await consumer.run(handler.stop)


async def test_records_keep_their_order_and_are_numbered_from_one(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(250)])
        handler = Collecting(done=250)

        await run(a_consumer(tmp_path, outbox, handler), handler)

    assert [r.value for r in handler.records] == [f"value {n}".encode() for n in range(250)]
    assert [r.seq for r in handler.records] == list(range(1, 251))
    assert {r.key for r in handler.records} == {"acme"}


async def test_concurrent_appends_are_all_stored_once(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await asyncio.gather(*(outbox.append([a_fact(n)]) for n in range(500)))
        handler = Collecting(done=500)

        await run(a_consumer(tmp_path, outbox, handler), handler)

    assert sorted(r.event_id for r in handler.records) == [a_fact(n).event_id for n in range(500)]


async def test_a_fact_sent_again_is_accepted_once(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1)])
        await outbox.append([a_fact(1), a_fact(2)])
        handler = Collecting(done=2)

        await run(a_consumer(tmp_path, outbox, handler), handler)
        counts = [
            row for reader in FolderLog(tmp_path).readers() for row in reader.counts("accepted")
        ]

    assert [r.value for r in handler.records] == [b"value 1", b"value 2"]
    assert sum(n for *_, n in counts) == 2


async def test_two_tenants_may_choose_the_same_id(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1, tenant="acme"), a_fact(1, tenant="bank")])
        handler = Collecting(done=2)

        await run(a_consumer(tmp_path, outbox, handler), handler)

    assert {r.key for r in handler.records} == {"acme", "bank"}


async def test_a_group_goes_on_where_it_stopped_and_gets_its_state_back(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(3)])
        first = Collecting(done=3)
        await run(a_consumer(tmp_path, outbox, first), first)
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(3, 5)])
        second = Collecting(done=2)

        await run(a_consumer(tmp_path, outbox, second), second)

    assert [r.value for r in second.records] == [b"value 3", b"value 4"]
    assert second.restored == {"count": b"3"}


async def test_several_producers_are_read_as_one_log(tmp_path: Path) -> None:
    async with an_outbox(tmp_path, "edge-0") as one, an_outbox(tmp_path, "edge-1") as two:
        await one.append([a_fact(n) for n in range(10)])
        await two.append([a_fact(n) for n in range(10, 20)])
        handler = Collecting(done=20)

        await run(a_consumer(tmp_path, one, handler), handler)

    assert {r.event_id for r in handler.records} == {a_fact(n).event_id for n in range(20)}
    assert {r.producer for r in handler.records} == {"edge-0", "edge-1"}


async def test_a_batch_that_is_unavailable_is_tried_again_whole(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(3)])
        handler = Collecting(done=3)
        handler.unavailable = 2

        await run(a_consumer(tmp_path, outbox, handler), handler)

    assert len(handler.batches) == 3
    assert handler.batches[0] == handler.batches[1] == handler.batches[2]
    assert len(handler.records) == 3


async def test_a_record_that_crashes_its_handler_is_found_and_buried_alone(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(4)])
        handler = Collecting(done=3)
        handler.crash_on = b"value 2"

        await run(a_consumer(tmp_path, outbox, handler), handler)
        dead = FolderLog(tmp_path).readers()[0].read([INTERACTION_COMPLETED.dead_letters], 0, 10)[0]

    assert [r.value for r in handler.records] == [b"value 0", b"value 1", b"value 3"]
    assert [(d.value, d.headers["reason"]) for d in dead] == [(b"value 2", "ValueError: poison")]


async def test_a_group_that_rejects_everything_stops_itself(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(8)])
        handler = Collecting(done=1000)
        handler.reject = b"value"
        consumer = a_consumer(tmp_path, outbox, handler)

        await run(consumer, handler)

    assert consumer.halted


async def test_effect_and_position_are_stored_together(tmp_path: Path) -> None:
    class Rating(Collecting):
        async def handle(self, records: Sequence[Record]) -> Effect:
            await super().handle(records)
            return Effect(facts=[Fact(USAGE_RATED, r.key, r.event_id, b"rated") for r in records])

    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(5)])
        rating = Rating(done=5)
        await run(a_consumer(tmp_path, outbox, rating, "billing"), rating)
        reading = Collecting(done=5)

        await run(a_consumer(tmp_path, outbox, reading, "w", [USAGE_RATED]), reading)

    assert [r.value for r in reading.records] == [b"rated"] * 5


async def test_an_exact_batch_comes_again_the_same_after_a_kill(tmp_path: Path) -> None:
    class Dying(Collecting):
        exact_batches = True

        async def handle(self, records: Sequence[Record]) -> Effect:
            self.batches.append([r.event_id for r in records])
            self.stop.set()
            raise Unavailable("killed here")

    class Surviving(Collecting):
        exact_batches = True

    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(n) for n in range(4)])
        dying = Dying(done=4)
        await run(a_consumer(tmp_path, outbox, dying), dying)
        await outbox.append([a_fact(n) for n in range(4, 9)])
        surviving = Surviving(done=9)

        await run(a_consumer(tmp_path, outbox, surviving), surviving)

    assert surviving.batches[0] == dying.batches[0]
    assert [r.value for r in surviving.records] == [f"value {n}".encode() for n in range(9)]


async def test_a_missing_record_is_reported_as_a_gap(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1)])
        first = Collecting(done=1)
        await run(a_consumer(tmp_path, outbox, first), first)
        await outbox.append([a_fact(2), a_fact(3)])
        with sqlite3.connect(tmp_path / "edge-0.db") as db:
            db.execute("DELETE FROM records WHERE seq = 2")
        db.close()
        second = Collecting(done=1)
        before = _gaps("g")

        await run(a_consumer(tmp_path, outbox, second), second)

    assert _gaps("g") - before == 1


async def test_records_of_other_topics_are_passed_over(tmp_path: Path) -> None:
    async with an_outbox(tmp_path) as outbox:
        await outbox.append([a_fact(1, topic=FEEDBACK_RECEIVED), a_fact(2)])
        handler = Collecting(done=1)

        await run(a_consumer(tmp_path, outbox, handler), handler)

    assert [r.value for r in handler.records] == [b"value 2"]


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


def _gaps(group: str) -> float:
    return float(FACT_GAPS.labels(group)._value.get())
