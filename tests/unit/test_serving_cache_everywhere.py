"""Workers that forget together what one of them was told to."""

import asyncio
from dataclasses import dataclass

import pytest

from services.serving.cache.everywhere import ForgettingEverywhere
from services.serving.cache.local import LocalCache
from services.serving.cache.port import Scope
from services.serving.state.memory import Memory, MemoryState
from services.serving.state.port import StateAway
from shared.clock import SimulatedClock
from tests.builders import NOW
from tests.contract.cache_suite import ACME, QUESTIONS, CacheSuite, a_key, a_saved
from tests.waiting import until

OTHER = Scope("umbrella", ACME.rules)


class Away(MemoryState):
    """What workers share, when it cannot be reached."""

    async def get(self, name: str) -> bytes | None:
        raise StateAway("away")

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        raise StateAway("away")


def a_worker(clock: SimulatedClock, state: MemoryState) -> ForgettingEverywhere:
    memory = LocalCache(clock, capacity_bytes=1_000_000, questions=QUESTIONS)
    return ForgettingEverywhere(memory, state, clock)


def workers(clock: SimulatedClock) -> tuple[ForgettingEverywhere, ForgettingEverywhere]:
    shared = Memory()
    return a_worker(clock, MemoryState(clock, shared)), a_worker(clock, MemoryState(clock, shared))


@dataclass
class Kept:
    """One worker on a clock that the test moves."""

    cache: ForgettingEverywhere
    clock: SimulatedClock

    async def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestOneWorker(CacheSuite):
    @pytest.fixture
    def kept(self) -> Kept:
        clock = SimulatedClock(NOW)
        return Kept(a_worker(clock, MemoryState(clock)), clock)


@pytest.mark.parametrize("subject", ["", a_key("subject")])
async def test_what_one_forgets_the_other_does_at_its_next_look(subject: str) -> None:
    one, other = workers(SimulatedClock(NOW))
    for worker in (one, other):
        await worker.put(ACME, a_key("1"), a_saved(), 60)
        await worker.put(OTHER, a_key("1"), a_saved(), 60)

    forgotten = await one.forget("acme", subject)
    before = await other.get(ACME, a_key("1"))
    await other.look()

    assert forgotten == 1
    assert before is not None
    assert await other.get(ACME, a_key("1")) is None
    assert await other.get(OTHER, a_key("1")) is not None


async def test_what_was_put_after_the_look_stays() -> None:
    one, other = workers(SimulatedClock(NOW))
    await other.put(ACME, a_key("1"), a_saved(), 60)
    await one.forget("acme")
    await other.look()

    for worker in (one, other):
        await worker.put(ACME, a_key("2"), a_saved(), 60)
        await worker.look()

        assert await worker.get(ACME, a_key("2")) is not None


async def test_it_looks_as_long_as_it_runs() -> None:
    clock, stop = SimulatedClock(NOW), asyncio.Event()
    one, other = workers(clock)
    await other.put(ACME, a_key("1"), a_saved(), 100_000_000)
    running = asyncio.create_task(other.run(stop))
    await one.forget("acme")

    gone = asyncio.Event()

    def is_gone() -> bool:
        clock.advance(2)
        return gone.is_set()

    async def watch() -> None:
        while await other.get(ACME, a_key("1")) is not None:
            await asyncio.sleep(0)
        gone.set()

    watching = asyncio.create_task(watch())
    await until(is_gone)
    stop.set()
    await asyncio.gather(running, watching)


async def test_who_cannot_tell_the_others_says_so_and_who_cannot_look_goes_on() -> None:
    clock = SimulatedClock(NOW)
    worker = a_worker(clock, Away(clock))
    await worker.put(ACME, a_key("1"), a_saved(), 60)

    await worker.look()
    kept = await worker.get(ACME, a_key("1"))
    with pytest.raises(StateAway):
        await worker.forget("acme")

    assert kept is not None
    assert await worker.get(ACME, a_key("1")) is None
