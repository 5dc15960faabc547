"""What holds of limits whatever is asked and whenever: no more passes than a meter lets, and all is drawn or none."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.serving.limits.limiter import Held
from services.serving.state.gcra import UNITS
from services.serving.state.memory import MemoryState
from services.serving.state.port import Draw
from shared.clock import SimulatedClock
from shared.errors import Limited
from shared.policy import Limits
from tests.builders import NOW
from tests.unit.test_serving_limits import World, bounds

STEPS = st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(1, 40)), min_size=1, max_size=60)


@given(per_minute=st.integers(1, 100), steps=STEPS)
def test_over_any_time_no_more_passes_than_a_minutes_worth_and_the_rate(
    per_minute: int, steps: list[tuple[int, int]]
) -> None:
    """Microseconds between calls and what each wants; every window from one admission to another is looked at."""
    passed = asyncio.run(_passed(per_minute, steps))

    for begin in range(len(passed)):
        total = 0
        for at_us, amount in passed[begin:]:
            total += amount
            assert total * UNITS <= per_minute * (UNITS + at_us - passed[begin][0])


async def _passed(per_minute: int, steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """When what was let in, of a meter whose clock moves in whole microseconds."""
    clock, now_us, passed = _Micros(NOW), 0, []
    meters = MemoryState(clock)
    for pause_us, amount in steps:
        clock.us = now_us = now_us + pause_us
        if (await meters.take([Draw("m", amount, per_minute)], [])).admitted:
            passed.append((now_us, amount))
    return passed


class _Micros(SimulatedClock):
    """A clock that stands at a whole microsecond."""

    us = 0

    def monotonic(self) -> float:
        return (self.us + 0.5) / 1_000_000


CALLS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),
        st.booleans(),
        st.integers(0, 30),  # reserved
        st.integers(0, 60),  # used
    ),
    max_size=40,
)


@given(calls=CALLS)
def test_a_draw_takes_of_every_meter_or_of_none(
    calls: list[tuple[int, bool, int, int]],
) -> None:
    asyncio.run(_all_or_none(calls))


async def _all_or_none(calls: list[tuple[int, bool, int, int]]) -> None:
    world = World()
    limiter = await world.worker()
    limits = Limits(requests_per_minute=5, tokens_per_minute=100, concurrent=3)
    wanted = bounds(tenant=limits, key=_narrower(limits), model=Limits(concurrent=2))
    running: list[Held] = []
    for pause_us, ends, reserved, used in calls:
        world.clock.advance(pause_us / 1_000_000)
        if ends and running:
            await limiter.settle(running.pop(0), used)
        before = _seen(world)
        try:
            running.append(await limiter.take(wanted, reserved))
        except Limited:
            assert _seen(world) == before
        assert len(running) <= 2
        assert {sum(held.values()) for held in world.memory.places.values()} <= {len(running)}


def _narrower(limits: Limits) -> Limits:
    return Limits(limits.requests_per_minute, 70, limits.concurrent)


def _seen(world: World) -> object:
    """What is drawn, as of now: a refused draw lets meters drain, and draws nothing."""
    now_us = int(world.clock.monotonic() * 1_000_000)
    rates = {"requests": 5, "tokens/tenant/acme": 100, "tokens/key/k0000001": 70}
    rate = {name: rates.get(name, rates["requests"]) for name in world.memory.meters}
    fills = {
        name: max(0, meter.fill - (now_us - meter.at_us) * rate[name])
        for name, meter in world.memory.meters.items()
    }
    return {name: fill for name, fill in fills.items() if fill}, {
        name: dict(held) for name, held in world.memory.places.items() if held
    }
