"""The upstreams of routes: keys in turn, benches and paces, what changes with the configuration, and what is shown."""

from asyncio import CancelledError

import pytest
from prometheus_client import REGISTRY

from services.serving.domain.failure import UpstreamFailed, unreachable
from services.serving.routing.breaker import BreakerLimits
from services.serving.routing.pool import Pool
from services.serving.routing.upstream import (
    BENCH_SECONDS,
    MAX_PACE_SECONDS,
    RoutingLimits,
    Upstream,
    Visit,
)
from shared.live import Model, Provider, Route
from tests.routed import House, failing

ROUTE = Route("pooled", "gpt")
OTHER_MODEL = Route("pooled", "gpt-mini")
KEYS = {"api_keys": ["${A}", "${B}", "${C}"]}


def a_house(**options: object) -> House:
    entry = Provider("pooled", "openai", options={**KEYS, **options})
    limits = RoutingLimits(breaker=BreakerLimits(consecutive=2))
    return House([Model("m", (ROUTE, OTHER_MODEL))], {"pooled": entry}, limits)


@pytest.fixture
def house() -> House:
    return a_house()


@pytest.fixture
def pool(house: House) -> Pool:
    return house.upstreams.pool(ROUTE)


def visit(house: House, upstream: Upstream, failure: UpstreamFailed | None = None) -> None:
    upstream.slots.take()
    Visit(upstream, house.clock, streaming=False).end(failure)


def chosen(pool: Pool, house: House, session: str = "") -> int:
    upstream = pool.choose(house.clock.monotonic(), session)
    return -1 if upstream is None else upstream.key.place


def test_keys_take_turns_and_the_least_loaded_is_first(house: House, pool: Pool) -> None:
    turns = []
    for _ in range(6):
        turns.append(chosen(pool, house))
        visit(house, pool.upstreams[turns[-1]])
    assert turns == [0, 1, 2, 0, 1, 2]

    pool.upstreams[0].slots.take()
    Visit(pool.upstreams[0], house.clock, streaming=False)  # and goes on

    assert chosen(pool, house) == 1


def test_a_key_of_twice_the_weight_has_twice_the_calls_in_flight() -> None:
    house = a_house(key_weights=[2, 1, 1])
    pool = house.upstreams.pool(ROUTE)

    for _ in range(8):
        upstream = pool.upstreams[chosen(pool, house)]
        upstream.slots.take()
        Visit(upstream, house.clock, streaming=False)

    assert [upstream.in_flight for upstream in pool.upstreams] == [4, 2, 2]


def test_a_session_keeps_its_key_until_that_is_benched(house: House, pool: Pool) -> None:
    kept = chosen(pool, house, "s")
    assert {chosen(pool, house, "s") for _ in range(10)} == {kept}

    visit(house, pool.upstreams[kept], failing(401))
    assert chosen(pool, house, "s") not in (kept, -1)

    house.clock.advance(BENCH_SECONDS)
    assert chosen(pool, house, "s") == kept


def test_a_key_that_is_not_known_is_benched_for_every_model(house: House, pool: Pool) -> None:
    visit(house, pool.upstreams[0], failing(401))

    now, other = house.clock.monotonic(), house.upstreams.pool(OTHER_MODEL)
    assert [one.admits(now) for one in other.upstreams] == [False, True, True]


@pytest.mark.parametrize(
    "failure", [failing(403), failing(429, b'{"error": {"code": "insufficient_quota"}}')]
)
def test_a_key_that_may_not_use_a_model_is_benched_for_that_model(
    house: House, pool: Pool, failure: UpstreamFailed
) -> None:
    visit(house, pool.upstreams[0], failure)

    now, other = house.clock.monotonic(), house.upstreams.pool(OTHER_MODEL)
    assert [one.admits(now) for one in pool.upstreams] == [False, True, True]
    assert other.upstreams[0].admits(now)


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (failing(429, retry_after="20"), 20.0),
        (failing(429), 1.0),
        (failing(429, retry_after="86400"), MAX_PACE_SECONDS),
        (failing(503, retry_after="4"), 4.0),
        (failing(503), 0.0),
    ],
)
def test_a_limit_paces_an_upstream_for_as_long_as_it_says(
    house: House, pool: Pool, failure: UpstreamFailed, seconds: float
) -> None:
    visit(house, pool.upstreams[0], failure)

    assert pool.upstreams[0].opens_in(house.clock.monotonic()) == seconds


def test_limits_never_open_a_breaker(house: House, pool: Pool) -> None:
    for _ in range(50):
        visit(house, pool.upstreams[0], failing(429))

    house.clock.advance(MAX_PACE_SECONDS)
    assert pool.upstreams[0].admits(house.clock.monotonic())


def test_a_trial_whose_client_left_leaves_the_breaker_to_another(house: House, pool: Pool) -> None:
    upstream = pool.upstreams[0]
    for _ in range(2):
        visit(house, upstream, failing(500))
    house.clock.advance(5)

    upstream.slots.take()
    trial = Visit(upstream, house.clock, streaming=False)
    assert not upstream.admits(house.clock.monotonic())
    trial.end(CancelledError())

    assert upstream.admits(house.clock.monotonic())


def test_a_visit_ends_once_whoever_says_so_first(house: House, pool: Pool) -> None:
    upstream = pool.upstreams[0]
    upstream.slots.take()
    going = Visit(upstream, house.clock, streaming=False)

    going.end()
    going.end(unreachable("pooled", "is gone"))

    assert (upstream.in_flight, upstream.slots.free) == (0, True)


def test_a_change_of_the_provider_forgets_benches_and_breakers(house: House, pool: Pool) -> None:
    visit(house, pool.upstreams[0], failing(401))
    for _ in range(2):
        visit(house, pool.upstreams[1], failing(500))
    assert chosen(pool, house) == 2

    house.live.providers["pooled"] = Provider("pooled", "openai", options={**KEYS, "headers": {}})
    house.live.revision += 1

    now = house.clock.monotonic()
    assert [one.admits(now) for one in house.upstreams.pool(ROUTE).upstreams] == [True] * 3


def test_the_same_entry_told_again_forgets_nothing(house: House, pool: Pool) -> None:
    visit(house, pool.upstreams[0], failing(401))

    house.live.providers["pooled"] = Provider("pooled", "openai", options={**KEYS})
    house.live.revision += 1

    assert house.upstreams.pool(ROUTE).upstreams is pool.upstreams


def test_two_routes_to_one_upstream_share_its_state_and_nothing_else(house: House) -> None:
    wide = Route("pooled", "gpt", max_input_tokens=9_000)

    one, other = house.upstreams.pool(ROUTE), house.upstreams.pool(wide)

    assert one.upstreams is other.upstreams
    assert (one.route.max_input_tokens, other.route.max_input_tokens) == (None, 9_000)


def test_operators_see_each_upstream_and_never_a_key(house: House, pool: Pool) -> None:
    visit(house, pool.upstreams[0], failing(401))
    for _ in range(2):
        visit(house, pool.upstreams[1], failing(500))
    visit(house, pool.upstreams[2])

    seen = house.upstreams.seen()

    assert [(one.provider, one.model, one.breaker, one.key_denied) for one in seen] == [
        ("pooled", "gpt", "closed", True),
        ("pooled", "gpt", "open", False),
        ("pooled", "gpt", "closed", False),
    ]
    assert seen[1].opens_in_seconds == 5.0
    assert len({one.key for one in seen}) == 3
    assert all(len(one.key) == 8 for one in seen)
    assert not {one.key for one in seen} & {"a", "b", "c"}


def test_gauges_tell_of_upstreams_that_are_there_and_of_no_others(house: House, pool: Pool) -> None:
    upstream = pool.upstreams[0]
    labels = dict(zip(("provider", "model", "key"), upstream.id.labels, strict=True))
    upstream.slots.take()
    Visit(upstream, house.clock, streaming=False)

    def told(name: str) -> float | None:
        return REGISTRY.get_sample_value(f"leeway_upstream_{name}", labels)

    assert (told("in_flight"), told("breaker"), told("benched")) == (1.0, 0.0, 0.0)
    house.live.models.clear()
    house.live.revision += 1
    house.upstreams.pool(Route("demo", "demo"))

    assert (told("in_flight"), told("breaker"), told("benched")) == (None, None, None)
