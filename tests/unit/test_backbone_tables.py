"""What a batch is about to do, what Faust passed over, and who says that nothing is done any more."""

import asyncio
from dataclasses import replace
from types import MappingProxyType

import pytest
from aiokafka.structs import ConsumerRecord

from services.backbone.tables.arrivals import arrivals, torn
from services.backbone.tables.journal import PART_BYTES, Undertaking, read, written
from services.backbone.tables.member import StallWatch
from shared.clock import SimulatedClock
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import headers_of
from shared.log.record import Position
from tests.builders import NOW, a_record, an_interaction_completed
from tests.builders import a_fact as fact_of

RECORD = a_record(fact_of(an_interaction_completed()), headers={"group": "drift"})


def test_what_is_written_is_read_as_it_was() -> None:
    bare = replace(RECORD, headers=MappingProxyType({}))
    undertaking = Undertaking({"a": b"1", "b": None}, (RECORD, bare))

    assert read(7, written(7, undertaking)) == undertaking


def test_a_part_of_another_batch_says_that_this_one_was_done() -> None:
    undertaking = Undertaking({"a": bytes(PART_BYTES), "b": bytes(PART_BYTES)})
    first, second = written(7, undertaking)
    later, _ = written(8, undertaking)

    assert read(7, [first, second]) == undertaking
    assert read(7, [later, second]) == Undertaking()


def test_nothing_to_do_takes_no_part() -> None:
    assert written(7, Undertaking()) == []
    assert read(7, []) == Undertaking()


def messages(*seqs: int) -> list[ConsumerRecord]:
    """The records of one lane with these numbers, each at the offset of its number."""
    records = [a_record(fact_of(an_interaction_completed()), seq=seq) for seq in seqs]
    return [
        ConsumerRecord(
            topic=f"t.{record.topic}",
            partition=3,
            offset=record.seq,
            timestamp=0,
            timestamp_type=0,
            key=record.key.encode(),
            value=record.value,
            checksum=None,
            serialized_key_size=-1,
            serialized_value_size=-1,
            headers=tuple(headers_of(record)),
        )
        for record in records
    ]


SOURCE = "interaction.completed.v1/3"
LANE = "edge/e1/interaction.completed.v1/3"


@pytest.mark.parametrize(
    ("seqs", "holes"),
    [
        ((5, 6, 7), {}),
        ((3, 4, 5), {}),
        ((6, 7), {SOURCE: (5, 8)}),
        ((5, 7), {SOURCE: (5, 8)}),
    ],
    ids=["next", "again", "passed over at once", "passed over later"],
)
def test_a_hole_in_a_lane_is_read_again_from_what_is_stored(
    seqs: tuple[int, ...], holes: dict[str, tuple[int, int]]
) -> None:
    found = arrivals(Cluster("", prefix="t."), messages(*seqs))

    assert torn(found, {SOURCE: Position(5, {LANE: 4})}) == holes


def test_what_has_no_position_yet_has_no_hole() -> None:
    assert torn(arrivals(Cluster("", prefix="t."), messages(9)), {}) == {}


class HurryingClock(SimulatedClock):
    """A clock on which whoever sleeps has slept."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class FakeGroup:
    """A group that took an effect on at each of some moments, and of which something waits, or nothing."""

    def __init__(self, clock: SimulatedClock, *moments: float, waits: bool = True) -> None:
        self.failure: BaseException | None = None
        self.asked = asyncio.Event()
        self._clock = clock
        self._moments = moments
        self._waits = waits

    @property
    def effects(self) -> int:
        return sum(moment <= self._clock.monotonic() for moment in self._moments)

    async def behind(self) -> bool:
        self.asked.set()
        return self._waits


async def test_a_group_is_given_up_so_long_after_its_last_effect_while_something_waits() -> None:
    clock = HurryingClock(NOW)
    group = FakeGroup(clock, 3, 12)

    reason = await StallWatch(group, clock, 10).run(asyncio.Event())

    assert reason == "nothing was handled for 10 s, and records wait"
    assert clock.monotonic() == 22


async def test_a_group_for_which_nothing_waits_is_left_alone() -> None:
    clock = HurryingClock(NOW)
    group = FakeGroup(clock, waits=False)

    assert await StallWatch(group, clock, 10).run(group.asked) == ""


async def test_a_group_that_failed_is_given_up_at_once() -> None:
    clock = HurryingClock(NOW)
    group = FakeGroup(clock)
    group.failure = RuntimeError("crashed")

    assert await StallWatch(group, clock, 10).run(asyncio.Event()) == "RuntimeError('crashed')"
    assert clock.monotonic() == 0
