"""Hedged requests: when a second upstream is asked beside a slow one, who wins, and what is recorded of who loses."""

import asyncio
from typing import Any

import pytest

from services.serving.domain.failure import UpstreamFailed
from services.serving.routing.hedging import hedge_after_seconds
from services.serving.routing.retries import RetryLimits
from services.serving.routing.upstream import RoutingLimits
from shared.errors import Invalid
from shared.live import Model, Route
from shared.policy import Policy, Routing
from tests.routed import ANSWER, House, Later, an_entry, failing, read_out
from tests.waiting import until

A, B = Route("a", "x"), Route("b", "x")


def a_house(*routes: Route, after: Any = 200, limits: RoutingLimits | None = None) -> House:
    routing = Routing(strategy="priority", retries=0, hedge_after_ms=after)
    model = Model("m", routes, policy=Policy(routing=routing))
    return House([model], limits=limits or RoutingLimits())


async def asked(house: House, provider: str, times: int = 1) -> None:
    await until(lambda: len(house.providers[provider].asked) == times)


async def hedged(
    house: House, held: asyncio.Event | None = None, **fields: Any
) -> "asyncio.Task[Any]":
    """A call whose first upstream takes longer than it may, until `held` is set."""
    house.providers["a"].script = [held or asyncio.Event()]
    streaming = fields.get("streaming", False)
    work = house.begin if streaming else house.ask
    call = asyncio.create_task(work(an_entry(**fields)))
    await asked(house, "a")
    house.clock.advance(0.2)
    return call


async def test_a_quick_answer_is_not_hedged() -> None:
    house = a_house(A, B)
    house.providers["a"].script = [0.1]

    call = asyncio.create_task(house.ask())
    await asked(house, "a")
    house.clock.advance(0.1)

    assert await call is ANSWER
    assert house.providers["b"].asked == []


async def test_a_slow_one_is_and_who_loses_is_cancelled_and_recorded() -> None:
    house = a_house(A, B)

    call = await hedged(house)
    assert await call is ANSWER
    house.trail.end(house.clock.now(), "ok", 200)

    assert house.providers["a"].cancelled == 1
    told = [(a.provider, a.status, a.error_type, a.hedged, a.cost_usd) for a in house.trail.made]
    assert told == [
        ("a", "cancelled", "hedge_lost", False, None),
        ("b", "ok", "", True, None),
    ]
    assert [house.upstreams.pool(route).upstreams[0].in_flight for route in (A, B)] == [0, 0]


async def test_the_first_may_still_win() -> None:
    house, held = a_house(A, B), asyncio.Event()
    house.providers["b"].script = [asyncio.Event()]
    call = await hedged(house, held)
    await asked(house, "b")

    held.set()

    assert await call is ANSWER
    house.trail.end(house.clock.now(), "ok", 200)
    assert house.tried == [("b", "cancelled"), ("a", "ok")]


async def test_a_stream_is_hedged_until_its_first_event_and_then_read_from_who_won() -> None:
    house = a_house(A, B)

    stream = await (await hedged(house, streaming=True))

    assert [event.final for event in await read_out(stream)] == [True]
    assert house.tried == [("a", "cancelled")]
    assert [house.upstreams.pool(route).upstreams[0].in_flight for route in (A, B)] == [0, 0]


async def test_two_that_begin_at_once_are_one_answer_and_the_others_stream_is_closed() -> None:
    house, both = a_house(A, B), asyncio.Event()
    house.providers["b"].script = [both]
    call = await hedged(house, both, streaming=True)
    await asked(house, "b")

    both.set()
    stream = await call

    assert house.tried == [("b", "cancelled")]
    assert house.upstreams.pool(B).upstreams[0].in_flight == 0
    await read_out(stream)
    assert house.upstreams.pool(A).upstreams[0].in_flight == 0


async def test_where_one_fails_the_other_is_waited_for() -> None:
    house, held = a_house(A, B), asyncio.Event()
    house.providers["b"].script = [failing(500)]
    call = await hedged(house, held)
    await until(lambda: bool(house.tried))
    assert not call.done()

    held.set()

    assert await call is ANSWER
    assert house.tried == [("b", "error")]


async def test_where_both_fail_the_last_failure_is_told() -> None:
    house = a_house(A, B)
    house.providers["a"].script = [Later(0.25, failing(500))]
    house.providers["b"].script = [failing(503)]
    call = asyncio.create_task(house.ask())
    await asked(house, "a")
    house.clock.advance(0.2)
    await until(lambda: bool(house.tried))
    house.clock.advance(0.1)

    with pytest.raises(UpstreamFailed, match="status 500"):
        await call

    assert house.tried == [("b", "error"), ("a", "error")]


async def test_a_request_that_cannot_be_said_is_not_waited_out() -> None:
    house = a_house(A, B)
    house.providers["b"].script = [Invalid("cannot be said")]

    with pytest.raises(Invalid):
        await (await hedged(house))

    assert house.providers["a"].cancelled == 1


async def test_a_client_that_leaves_cancels_both() -> None:
    house = a_house(A, B)
    house.providers["b"].script = [asyncio.Event()]
    call = await hedged(house)
    await asked(house, "b")

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    house.trail.end(house.clock.now(), "cancelled", 0, "client_left")

    assert [house.providers[name].cancelled for name in ("a", "b")] == [1, 1]
    assert [attempt.error_type for attempt in house.trail.made] == ["client_left"] * 2
    assert [house.upstreams.pool(route).upstreams[0].in_flight for route in (A, B)] == [0, 0]


async def test_a_single_upstream_is_asked_twice() -> None:
    house = a_house(A)

    assert await (await hedged(house)) is ANSWER

    assert house.providers["a"].cancelled == 1
    assert len(house.providers["a"].asked) == 2


async def test_hedges_are_retries_to_the_budget() -> None:
    house = a_house(A, B, limits=RoutingLimits(retries=RetryLimits(share=0.0, floor=0)))
    held = asyncio.Event()

    call = await hedged(house, held)
    held.set()

    assert await call is ANSWER
    assert house.providers["b"].asked == []


async def test_p95_hedges_once_enough_is_known_and_then_by_what_is_usual() -> None:
    house = a_house(A, B, after="p95")
    upstream = house.upstreams.pool(A).upstreams[0]
    request = an_entry().request
    routing = house.models[0].policy.routing
    assert hedge_after_seconds(routing, request, upstream) is None

    for number in range(100):
        upstream.whole.observe(0.0, number / 100)

    assert hedge_after_seconds(routing, request, upstream) == 0.94


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, True),
        ({"tools": [{"name": "f", "input_schema": {}}]}, True),
        ({"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, False),
        ({"tools": [{"type": "function"}, {"type": "code_interpreter"}]}, False),
        ({"web_search_options": {}}, False),
    ],
)
def test_what_acts_at_the_provider_is_never_asked_twice(fields: dict[str, Any], may: bool) -> None:
    house = a_house(A)
    upstream = house.upstreams.pool(A).upstreams[0]
    after = hedge_after_seconds(
        house.models[0].policy.routing, an_entry(**fields).request, upstream
    )

    assert after == (0.2 if may else None)
