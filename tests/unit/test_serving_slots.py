"""How many calls an upstream answers at once, and who waits for it."""

import asyncio

import pytest

from services.serving.routing.slots import Slots
from tests.waiting import until

LONG = 60.0


async def test_no_more_are_taken_than_there_are_and_the_queue_is_short() -> None:
    slots = Slots(1, queue=1)
    slots.take()

    waiting = asyncio.create_task(slots.wait(LONG))
    await until(lambda: not slots.has_room)
    assert not slots.free
    slots.give_back()

    assert await waiting
    assert not slots.free
    slots.give_back()
    assert slots.free


async def test_who_waited_longest_is_first() -> None:
    slots, served = Slots(1, queue=3), []
    slots.take()

    async def wait(name: str) -> None:
        await slots.wait(LONG)
        served.append(name)
        slots.give_back()

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(wait(name))
            await asyncio.sleep(0)
        slots.give_back()

    assert served == ["a", "b", "c"]
    assert slots.free


async def test_who_waits_in_vain_leaves_the_queue() -> None:
    slots = Slots(1, queue=1)
    slots.take()

    assert not await slots.wait(0.0)

    assert slots.has_room
    slots.give_back()
    assert slots.free


async def test_who_is_cancelled_while_waiting_takes_nothing_along() -> None:
    slots = Slots(1, queue=2)
    slots.take()
    gone = asyncio.create_task(slots.wait(LONG))
    stays = asyncio.create_task(slots.wait(LONG))
    await until(lambda: not slots.has_room)

    slots.give_back()  # to the one that is cancelled in the same moment
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone

    assert await stays


async def test_without_a_limit_there_is_always_one_free() -> None:
    slots = Slots(None, queue=0)
    for _ in range(1000):
        slots.take()

    assert slots.free
