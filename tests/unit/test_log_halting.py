"""When a group stops itself: what a bad deploy refuses, however it is mixed, and what it does not."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from shared.clock import SimulatedClock
from shared.errors import Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import DeadLetter, Effect, Record
from shared.log.tally import Tally
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW, a_record
from tests.logs import a_fact
from tests.scripted import ScriptedLog, ScriptedStore, pass_time

LIMITS = ConsumerLimits(max_records=100)
MOST = LIMITS.max_consecutive_dead_letters
WINDOW = LIMITS.dead_letter_window_records
FLOOD = 3_000


class Refusing:
    """A handler that takes one record in so many, and keeps what it is given back."""

    def __init__(self, takes_one_in: int) -> None:
        self.takes_one_in = takes_one_in
        self.handled = 0
        self.restored: dict[str, bytes] = {}

    def restore(self, states: dict[str, bytes]) -> None:
        self.restored = states

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.handled += len(records)
        bad = [record for record in records if self.takes_one_in == 0 or self._refuses(record)]
        return Effect(dead_letters=[DeadLetter(record, "no") for record in bad])

    def _refuses(self, record: Record) -> bool:
        return record.seq % self.takes_one_in > 0


def a_flood() -> ScriptedLog:
    return ScriptedLog(*(a_record(a_fact(seq), seq=seq) for seq in range(1, FLOOD + 1)))


async def run(log: ScriptedLog, store: ScriptedStore, handler: Refusing) -> Consumer:
    """Let a new member of the group consume until it halts, or has come to the end."""
    stop, clock = asyncio.Event(), SimulatedClock(NOW)
    consumer = Consumer("h", [INTERACTION_COMPLETED], log, store, handler, LIMITS, clock)
    running = asyncio.create_task(consumer.run(stop))
    while not (consumer.idle or consumer.halted):
        await pass_time(clock, 1)
    stop.set()
    await running
    return consumer


@pytest.mark.parametrize(
    ("takes_one_in", "buried"),
    [(0, MOST), (100, 1_089), (10, 1_080), (4, 1_050), (2, 1_000)],
)
async def test_a_bad_deploy_stops_itself_whatever_it_still_takes(
    takes_one_in: int, buried: int
) -> None:
    store = ScriptedStore()

    consumer = await run(a_flood(), store, Refusing(takes_one_in))

    assert consumer.halted
    assert len(store.letters) == buried


def test_a_share_that_senders_come_to_by_themselves_is_buried_for_ever() -> None:
    fifth = [a_record(a_fact(n), seq=n) for n in range(1, 11)]
    letters = [DeadLetter(record, "no") for record in fifth[::5]]
    tally = Tally()

    for _ in range(WINDOW):
        tally = tally.after(fifth, letters, WINDOW)
        assert not tally.too_many(MOST, LIMITS.max_dead_letter_share)


def test_letters_in_a_row_are_counted_by_record_across_batches() -> None:
    batch = [a_record(a_fact(n), seq=n) for n in range(1, 5)]
    last_two = [DeadLetter(record, "no") for record in batch[2:]]
    first_three = [DeadLetter(record, "no") for record in batch[:3]]

    tally = Tally().after(batch, last_two, WINDOW)
    assert (tally.in_a_row, tally.dead, tally.records) == (2, 2, 4)
    assert tally.after(batch[:2], first_three[:2], WINDOW).in_a_row == 4
    assert tally.after(batch, first_three, WINDOW).in_a_row == 0
    assert tally.after([], [], WINDOW) == tally


async def test_each_member_that_comes_after_costs_a_batch_and_no_run_of_its_own() -> None:
    log, store = a_flood(), ScriptedStore()
    await run(log, store, Refusing(0))

    buried = [len(store.letters)]
    for _ in range(3):
        assert (await run(log, store, Refusing(0))).halted
        buried.append(len(store.letters))

    assert buried == [1_000, 1_100, 1_200, 1_300]


async def test_a_version_that_can_read_them_goes_on_and_is_trusted_again_after_as_many() -> None:
    log, store = a_flood(), ScriptedStore()
    await run(log, store, Refusing(0))
    assert [name for name in store.state.states if "halted" in name] == ["consumer/halted/edge.db"]

    good = Refusing(1)
    consumer = await run(log, store, good)

    assert not consumer.halted
    assert good.handled == FLOOD - MOST
    assert not [name for name in store.state.states if "halted" in name]
    assert len(store.letters) == MOST


async def test_a_batch_that_is_tried_again_is_weighed_once() -> None:
    store, handler = ScriptedStore(), Refusing(0)
    store.refuses = Unavailable("full")
    log, stop, clock = a_flood(), asyncio.Event(), SimulatedClock(NOW)
    consumer = Consumer("h", [INTERACTION_COMPLETED], log, store, handler, LIMITS, clock)
    running = asyncio.create_task(consumer.run(stop))
    await pass_time(clock, 120)
    store.refuses = None
    await pass_time(clock, 30)
    await running

    assert consumer.halted
    assert len(store.letters) == MOST


async def test_a_handler_sees_nothing_of_what_its_consumer_notes() -> None:
    log, store = a_flood(), ScriptedStore()
    await run(log, store, Refusing(0))
    handler = Refusing(1)

    await run(log, store, handler)

    assert set(store.state.states) == {"consumer/began/edge.db"}
    assert handler.restored == {}


async def test_a_halt_is_told_and_taken_back_by_the_next_start() -> None:
    log, store = a_flood(), ScriptedStore()

    await run(log, store, Refusing(0))
    told = REGISTRY.get_sample_value("leeway_consumer_halted", {"group": "h"})
    await run(log, store, Refusing(1))

    assert told == 1
    assert REGISTRY.get_sample_value("leeway_consumer_halted", {"group": "h"}) == 0
