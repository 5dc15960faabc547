"""Whatever upstreams and clients do, at once and in any order, nothing that a call took is kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.serving.domain.failure import UpstreamFailed, malformed, unreachable
from services.serving.routing.breaker import BreakerLimits, State
from services.serving.routing.upstream import RoutingLimits
from shared.errors import LeewayError
from shared.live import Model, Provider, Route
from shared.policy import Policy, Routing
from tests.routed import ANSWER, House, Later, an_entry, failing, read_out

ROUTES = (Route("a", "x"), Route("b", "x"))
TWO_KEYS = {"api_keys": ["${KEY_A}", "${KEY_B}"]}

failures = st.sampled_from(
    [
        failing(400),
        failing(401),
        failing(429),
        failing(429, retry_after="0.3"),
        failing(429, retry_after="40"),
        failing(500),
        failing(503, retry_after="0.2"),
        malformed("it", "babbles"),
        unreachable("it", "dropped", dropped=True),
    ]
)
acts = st.one_of(failures, st.floats(0.0, 2.0), st.builds(Later, st.floats(0.0, 2.0), failures))


@dataclass(frozen=True)
class Caller:
    """A call: whether it streams, belongs to a session, and after how many turns of the loop its client leaves."""

    streaming: bool
    session: str
    leaves: int | None


callers = st.builds(
    Caller,
    streaming=st.booleans(),
    session=st.sampled_from(["", "s"]),
    leaves=st.none() | st.integers(0, 40),
)
steering = st.builds(
    Routing,
    strategy=st.sampled_from(["weighted", "priority", "latency"]),
    retries=st.integers(0, 3),
    patience_seconds=st.sampled_from([0.0, 1.0]),
    hedge_after_ms=st.none() | st.sampled_from([1, 300]),
)


def a_house(routing: Routing, at_once: int | None) -> House:
    options = {**TWO_KEYS, **({} if at_once is None else {"max_concurrency": at_once})}
    return House(
        [Model("m", ROUTES, policy=Policy(routing=routing))],
        {name: Provider(name, "openai", options=options) for name in "ab"},
        RoutingLimits(breaker=BreakerLimits(consecutive=3), queue_seconds=0.001),
    )


async def served(house: House, caller: Caller) -> None:
    """One call, to whatever end it comes."""
    entry = an_entry(streaming=caller.streaming, session=caller.session)
    try:
        if caller.streaming:
            await read_out(await house.begin(entry))
        else:
            assert await house.ask(entry) is ANSWER
    except UpstreamFailed:
        pass


async def everyone(house: House, callers: Sequence[Caller]) -> None:
    """All calls at once, the clock running until each has ended."""
    calls = [(caller, asyncio.create_task(served(house, caller))) for caller in callers]
    turn = 0
    while not all(call.done() for _, call in calls):
        for caller, call in calls:
            if caller.leaves == turn:
                call.cancel()
        await asyncio.sleep(0)
        turn += 1
        if turn % 8 == 0:
            house.clock.advance(0.1)
    await asyncio.gather(*(call for _, call in calls), return_exceptions=True)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(acts, max_size=20),
    st.lists(acts, max_size=20),
    st.lists(callers, max_size=8),
    steering,
    st.none() | st.integers(1, 2),
)
def test_every_slot_comes_back_and_every_upstream_can_be_asked_again(
    first: list[LeewayError | float | Later],
    second: list[LeewayError | float | Later],
    calling: list[Caller],
    routing: Routing,
    at_once: int | None,
) -> None:
    async def scene() -> None:
        house = a_house(routing, at_once)
        house.providers["a"].script = [*first]
        house.providers["b"].script = [*second]

        await everyone(house, calling)

        upstreams = [one for route in ROUTES for one in house.upstreams.pool(route).upstreams]
        assert [one.in_flight for one in upstreams] == [0] * 4
        assert all(one.slots.free for one in upstreams)
        house.clock.advance(3_600)
        now = house.clock.monotonic()
        assert all(one.admits(now) for one in upstreams)
        for provider in house.providers.values():
            provider.script = []
        for one in upstreams:
            one.slots.take()
            began = one.breaker.enter(now)
            one.breaker.succeed(began, now)
            one.slots.give_back()
            assert one.breaker.state(now) is State.CLOSED
        assert await house.ask() is ANSWER

    asyncio.run(scene())
