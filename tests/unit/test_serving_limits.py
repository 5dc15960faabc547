"""Limits: what is let in, all or none of it, how long who is refused waits, and what replies tell of it."""

import asyncio
from collections.abc import Sequence

import pytest

from services.serving.limits.bounds import Bounds, KnownBounds, bounds_of
from services.serving.limits.headers import duration
from services.serving.limits.limiter import BEAT_SECONDS, Limiter
from services.serving.state.memory import Memory, MemoryState
from services.serving.state.port import Change, Draw, Place, StateAway, Taken
from shared.clock import SimulatedClock
from shared.errors import Limited
from shared.policy import NO_POLICY, Limits, Policy
from tests.builders import NOW, a_caller

CALLER = a_caller()


def bounds(
    tenant: Limits = NO_POLICY.limits,
    project: Limits = NO_POLICY.limits,
    key: Limits = NO_POLICY.limits,
    model: Limits = NO_POLICY.limits,
) -> Bounds:
    policies = tuple(Policy(limits=limits) for limits in (tenant, project, key, model))
    found = bounds_of(policies, CALLER, "gpt")  # type: ignore[arg-type]
    assert found is not None
    return found


class Meters(MemoryState):
    """A memory that can be away."""

    away = False

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        self._answer()
        return await super().take(draws, places)

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        self._answer()
        await super().give(changes, places)

    async def beat(self) -> int:
        self._answer()
        return await super().beat()

    def _answer(self) -> None:
        if self.away:
            raise StateAway("test")


class World:
    """Workers that share meters, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.memory = Memory()
        self.meters: list[Meters] = []

    async def worker(self) -> Limiter:
        self.meters.append(Meters(self.clock, self.memory))
        return await Limiter(self.meters[-1], self.clock).__aenter__()

    async def admitted(self, limiter: Limiter, wanted: Bounds, calls: int, tokens: int = 0) -> int:
        """How many of so many calls are let in at once."""
        count = 0
        for _ in range(calls):
            try:
                await limiter.take(wanted, tokens)
            except Limited:
                continue
            count += 1
        return count


async def refusal(limiter: Limiter, wanted: Bounds, tokens: int = 0) -> Limited:
    with pytest.raises(Limited) as refused:
        await limiter.take(wanted, tokens)
    return refused.value


async def test_a_minutes_worth_of_requests_passes_at_once_and_then_one_after_another() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(requests_per_minute=60))

    assert await world.admitted(limiter, wanted, 100) == 60
    world.clock.advance(2.5)

    assert await world.admitted(limiter, wanted, 100) == 2


async def test_who_waits_as_long_as_it_is_told_is_let_in_and_not_a_moment_earlier() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(requests_per_minute=7))
    await world.admitted(limiter, wanted, 7)
    world.clock.advance(1.0)

    refused = await refusal(limiter, wanted)
    assert refused.retry_after_seconds == pytest.approx(60 / 7 - 1, abs=2e-6)
    assert refused.retry_after_seconds is not None
    world.clock.advance(refused.retry_after_seconds - 0.000_01)
    await refusal(limiter, wanted)
    world.clock.advance(0.000_02)

    await limiter.take(wanted, 0)


async def test_a_refusal_says_which_limit_of_whom() -> None:
    world = World()
    limiter = await world.worker()
    cases = {
        "rate_limit_exceeded": bounds(tenant=Limits(requests_per_minute=1)),
        "tokens_limit": bounds(model=Limits(tokens_per_minute=1)),
        "concurrency_limit": bounds(project=Limits(concurrent=1)),
    }
    told = {}
    for code, wanted in cases.items():
        await limiter.take(wanted, 1)
        refused = await refusal(limiter, wanted, 1)
        told[code] = refused.message
        assert refused.code == code

    assert told == {
        "rate_limit_exceeded": "The tenant 'acme' may have 1 requests a minute: try again in 60.000 s.",
        "tokens_limit": "The model 'gpt' may have 1 tokens a minute: try again in 60.000 s.",
        "concurrency_limit": (
            "The project 'acme/default' may have 1 calls at the same time: try again in 1.000 s."
        ),
    }


@pytest.mark.parametrize("what", ["requests_per_minute", "tokens_per_minute", "concurrent"])
async def test_a_limit_of_nothing_refuses_every_call(what: str) -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(**{what: 0}))

    refused = await refusal(limiter, wanted)

    assert refused.retry_after_seconds is not None
    assert refused.retry_after_seconds > 0


async def test_all_limits_are_taken_or_none() -> None:
    world = World()
    limiter = await world.worker()
    wide, narrow = Limits(requests_per_minute=10, concurrent=10), Limits(requests_per_minute=1)
    both = bounds(tenant=wide, key=narrow)
    await limiter.take(both, 0)
    for _ in range(5):
        await refusal(limiter, both)

    assert await world.admitted(limiter, bounds(tenant=wide), 20) == 9


async def test_who_is_refused_by_two_waits_for_the_longer() -> None:
    world = World()
    limiter = await world.worker()
    wanted = bounds(tenant=Limits(requests_per_minute=1), key=Limits(tokens_per_minute=10))
    await limiter.take(wanted, 10)

    refused = await refusal(limiter, wanted, 2)

    assert refused.code == "rate_limit_exceeded"
    assert refused.retry_after_seconds == 60


async def test_a_call_is_counted_as_what_it_used() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(tokens_per_minute=100))

    held = await limiter.take(wanted, 90)
    assert await world.admitted(limiter, wanted, 1, tokens=11) == 0
    await limiter.settle(held, 20)

    assert await world.admitted(limiter, wanted, 100, tokens=10) == 8


async def test_what_was_used_beyond_the_reservation_is_owed() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(tokens_per_minute=100))

    held = await limiter.take(wanted, 10)
    await limiter.settle(held, 250)
    refused = await refusal(limiter, wanted, 1)

    assert refused.retry_after_seconds == pytest.approx(151 * 60 / 100)


async def test_a_call_larger_than_its_limit_waits_for_an_empty_meter_and_leaves_a_debt() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(tokens_per_minute=100))

    held = await limiter.take(wanted, 1_000)
    await refusal(limiter, wanted, 1_000)
    await limiter.settle(held, 1_000)
    world.clock.advance(9 * 60 + 59)
    await refusal(limiter, wanted, 1_000)
    world.clock.advance(1.001)

    await limiter.take(wanted, 1_000)


async def test_what_has_drained_is_not_given_back_again() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(tokens_per_minute=100))
    held = await limiter.take(wanted, 100)
    world.clock.advance(60)
    await limiter.take(wanted, 100)

    await limiter.settle(held, 0)

    assert await world.admitted(limiter, wanted, 10, tokens=10) == 0


async def test_a_call_that_was_never_asked_gives_everything_back() -> None:
    world = World()
    limits = Limits(requests_per_minute=1, tokens_per_minute=10, concurrent=1)
    limiter, wanted = await world.worker(), bounds(key=limits)

    await limiter.undo(await limiter.take(wanted, 10))

    await limiter.take(wanted, 10)


async def test_a_place_is_free_again_when_its_call_has_ended() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(model=Limits(concurrent=2))
    first = await limiter.take(wanted, 0)
    await limiter.take(wanted, 0)
    await refusal(limiter, wanted)

    await limiter.settle(first, 0)

    await limiter.take(wanted, 0)


async def test_the_headers_tell_of_the_limit_with_the_least_left() -> None:
    world = World()
    limiter = await world.worker()
    wanted = bounds(
        tenant=Limits(requests_per_minute=100, tokens_per_minute=60),
        key=Limits(requests_per_minute=6, tokens_per_minute=6_000),
    )

    held = await limiter.take(wanted, 30)

    assert held.headers == {
        "x-ratelimit-limit-requests": "6",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-requests": "10s",
        "x-ratelimit-limit-tokens": "60",
        "x-ratelimit-remaining-tokens": "30",
        "x-ratelimit-reset-tokens": "30s",
    }


async def test_a_refusal_carries_the_headers_too() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(requests_per_minute=1))
    await limiter.take(wanted, 0)

    refused = await refusal(limiter, wanted)

    assert refused.headers == {
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
    }


@pytest.mark.parametrize(
    ("micros", "told"),
    [
        (0, "0s"),
        (1, "1ms"),
        (17_000, "17ms"),
        (999_001, "1s"),
        (1_200_000, "1.2s"),
        (8_640_000, "8.64s"),
        (60_000_000, "1m0s"),
        (86_400_000, "1m26.4s"),
        (360_000_000, "6m0s"),
        (3_600_000_000, "1h0m0s"),
    ],
)
def test_a_time_is_written_as_openai_writes_it(micros: int, told: str) -> None:
    assert duration(micros) == told


async def test_workers_share_their_limits_exactly() -> None:
    world = World()
    workers = [await world.worker() for _ in range(4)]
    wanted = bounds(key=Limits(requests_per_minute=10))

    admitted = [await world.admitted(worker, wanted, 9) for worker in workers]

    assert sum(admitted) == 10


async def test_without_the_shared_meters_each_worker_holds_its_share() -> None:
    world = World()
    workers = [await world.worker() for _ in range(4)]
    await workers[0]._beat()  # it learns that it is one of four
    world.meters[0].away = True
    wanted = bounds(key=Limits(requests_per_minute=10))

    assert await world.admitted(workers[0], wanted, 9) == 2


async def test_a_limit_smaller_than_the_number_of_workers_is_one_each_and_nothing_stays_nothing() -> (
    None
):
    world = World()
    workers = [await world.worker() for _ in range(4)]
    await workers[0]._beat()
    world.meters[0].away = True

    assert await world.admitted(workers[0], bounds(key=Limits(requests_per_minute=2)), 9) == 1
    assert await world.admitted(workers[0], bounds(tenant=Limits(concurrent=0)), 9) == 0


async def test_a_place_whose_leaving_could_not_be_told_is_left_later() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(concurrent=1))
    held = await limiter.take(wanted, 0)
    world.meters[0].away = True
    await limiter.settle(held, 0)
    world.meters[0].away = False
    await refusal(limiter, wanted)

    await limiter._beat()

    await limiter.take(wanted, 0)


async def test_it_says_that_it_lives_until_it_is_stopped() -> None:
    world = World()
    limiter, wanted = await world.worker(), bounds(key=Limits(concurrent=1))
    stop = asyncio.Event()
    running = asyncio.create_task(limiter.run(stop))
    await limiter.take(wanted, 0)

    for _ in range(10):
        await asyncio.sleep(0)
        world.clock.advance(BEAT_SECONDS)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await refusal(limiter, wanted)
    stop.set()

    await running


def test_the_limits_of_a_call_are_looked_up_anew_when_a_policy_changes() -> None:
    known = KnownBounds()
    before = (NO_POLICY, NO_POLICY, Policy(limits=Limits(concurrent=1)), NO_POLICY)
    after = (*before[:2], Policy(limits=Limits(concurrent=2)), NO_POLICY)

    first, same = known.of(before, CALLER, "gpt"), known.of(before, CALLER, "gpt")
    changed = known.of(after, CALLER, "gpt")

    assert first is same
    assert first is not None
    assert changed is not None
    assert (first.places[0].limit, changed.places[0].limit) == (1, 2)


def test_a_call_without_limits_is_under_none() -> None:
    assert bounds_of((NO_POLICY,) * 4, CALLER, "gpt") is None
