"""What a batch is about to do, written down; and who says that nothing is done any more."""

import asyncio

from services.backbone.tables.journal import PART_BYTES, Undertaking, read, written
from services.backbone.tables.member import StallWatch
from shared.clock import SimulatedClock
from tests.builders import NOW, a_record, an_interaction_completed
from tests.builders import a_fact as fact_of

RECORD = a_record(fact_of(an_interaction_completed()), headers={"group": "drift"})


def test_what_is_written_is_read_as_it_was() -> None:
    undertaking = Undertaking({"a": b"1", "b": None}, (RECORD, RECORD))

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
