"""The orders in which routes are tried, each by what it is told."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.routing.estimate import estimate, tokens_of
from services.serving.routing.latency import Latency
from services.serving.routing.strategies import (
    by_context,
    by_cost,
    by_latency,
    by_priority,
    roomy_first,
)
from services.serving.routing.weights import by_weight
from shared.live import Route
from tests.routed import an_entry

A, B, C = Route("a", "m", 1), Route("b", "m", 3), Route("c", "m", 1)
DRAINED = Route("d", "m", 0)
SMALL, LARGE, UNKNOWN = (
    Route("small", "m", max_input_tokens=8_000),
    Route("large", "m", max_input_tokens=200_000),
    Route("unknown", "m"),
)

routes = st.lists(
    st.builds(
        Route,
        provider=st.sampled_from("abcdefgh"),
        model=st.just("m"),
        weight=st.integers(0, 5),
        max_input_tokens=st.none() | st.integers(1, 1000),
    ),
    max_size=8,
    unique_by=lambda route: route.provider,
)


def test_first_choices_follow_the_weights() -> None:
    first = Counter(by_weight((A, B), f"call-{n}")[0].provider for n in range(4000))

    assert (first["a"], first["b"]) == (1023, 2977)


def test_a_session_keeps_its_upstream_when_another_is_added() -> None:
    seeds = [f"session-{n}" for n in range(200)]

    before = {seed: by_weight((A, B), seed)[0] for seed in seeds}
    after = {seed: by_weight((A, B, C), seed)[0] for seed in seeds}

    assert {seed for seed in seeds if before[seed] != after[seed]} == {
        seed for seed in seeds if after[seed] == C
    }


@given(routes, st.text(max_size=8), st.integers(0, 1200))
def test_weight_zero_is_never_drawn_and_every_other_is_exactly_once(
    given_routes: list[Route], seed: str, tokens: int
) -> None:
    wanted = Counter(route for route in given_routes if route.weight)

    orders = [
        by_weight(given_routes, seed),
        by_priority(given_routes),
        by_latency(given_routes, seed, lambda route: len(route.provider)),
        by_cost(given_routes, seed, lambda route: None),
        roomy_first(by_weight(given_routes, seed), tokens),
    ]

    assert [Counter(order) for order in orders] == [wanted] * 5
    assert Counter(by_context(given_routes, seed, tokens)) <= wanted


@given(routes, st.text(max_size=8))
def test_the_same_seed_gives_the_same_order(given_routes: list[Route], seed: str) -> None:
    assert by_weight(given_routes, seed) == by_weight(list(reversed(given_routes)), seed)


def test_priority_is_the_order_of_the_file() -> None:
    assert by_priority((B, DRAINED, A, C)) == [B, A, C]


def test_the_better_of_two_is_asked_and_never_the_worse() -> None:
    loads = {A: 1.0, B: 2.0, C: 3.0}

    orders = [by_latency((A, B, C), f"call-{n}", loads.__getitem__) for n in range(300)]

    first = Counter(order[0].provider for order in orders)
    assert first == {"a": 171, "b": 129}  # the worst of three wins against nobody
    assert all(loads[order[1]] <= loads[order[2]] for order in orders)


def test_a_session_stays_until_its_upstream_is_twice_as_slow_as_the_other() -> None:
    kept, other = by_weight((A, C), "s")

    stays = by_latency((A, C), "s", {kept: 1.9, other: 1.0}.__getitem__, sticky=True)
    goes = by_latency((A, C), "s", {kept: 2.1, other: 1.0}.__getitem__, sticky=True)

    assert (stays[0], goes[0]) == (kept, other)


def test_two_choices_send_most_calls_to_the_faster_upstreams() -> None:
    """Ten upstreams, one of which takes ten times as long: a draw would send it a tenth of the calls."""
    draw = random.Random(7)
    upstreams = [Route(f"u{n}", "m") for n in range(10)]
    seconds = {route: 10.0 if route.provider == "u0" else 1.0 for route in upstreams}
    latencies = {route: Latency() for route in upstreams}
    in_flight: Counter[Route] = Counter()
    ending: list[tuple[float, Route, float]] = []
    asked: Counter[str] = Counter()
    for number in range(4000):
        now = number * 0.05
        for each in [one for one in ending if one[0] <= now]:
            ending.remove(each)
            in_flight[each[1]] -= 1
            latencies[each[1]].observe(each[0], each[2])
        load = lambda route: latencies[route].load(now, in_flight=in_flight[route])  # noqa: B023, E731
        chosen = by_latency(upstreams, f"call-{number}", load)[0]
        asked[chosen.provider] += 1
        in_flight[chosen] += 1
        took = seconds[chosen] * draw.uniform(0.9, 1.1)
        ending.append((now + took, chosen, took))

    assert asked["u0"] == 20  # of 4,000
    assert min(asked[route.provider] for route in upstreams[1:]) > 350


def test_latency_believes_bad_news_at_once_and_good_news_slowly() -> None:
    latency = Latency()
    latency.observe(0.0, 1.0)
    latency.observe(1.0, 5.0)
    assert latency.average(1.0) == 5.0

    latency.observe(1.5, 1.0)
    assert 4.5 < latency.average(1.5) < 5.0
    assert latency.average(60.0) < 0.02  # and who is not asked is forgiven in time


def test_a_quick_failure_does_not_look_like_a_quick_answer() -> None:
    quick, failing = Latency(), Latency()
    quick.observe(0.0, 1.0)
    failing.observe(0.0, 1.0)
    failing.punish(0.0, 0.001)

    assert failing.load(0.0, in_flight=0) > quick.load(0.0, in_flight=0)


def test_one_call_is_sent_to_see_how_fast_a_new_upstream_is_and_not_all() -> None:
    new = Latency()

    assert new.load(0.0, in_flight=0) == 0.0
    assert new.load(0.0, in_flight=1) > 60.0


def test_a_quantile_needs_enough_answers() -> None:
    latency = Latency()
    for number in range(19):
        latency.observe(0.0, float(number))
    assert latency.quantile(0.95) is None

    latency.observe(0.0, 19.0)
    assert latency.quantile(0.95) == 18.0


def test_the_cheapest_is_first_and_one_without_a_price_last() -> None:
    costs = {A: Decimal("0.3"), B: None, C: Decimal("0.1")}

    assert by_cost((A, B, C), "s", costs.__getitem__) == [C, A, B]


def test_the_smallest_window_that_fits_is_first() -> None:
    every = (UNKNOWN, LARGE, SMALL)

    assert by_context(every, "s", 7_000) == [SMALL, LARGE, UNKNOWN]
    assert by_context(every, "s", 9_000) == [LARGE, UNKNOWN]
    assert by_context((LARGE, SMALL), "s", 300_000) == [LARGE]
    assert roomy_first((SMALL, UNKNOWN, LARGE), 9_000) == [UNKNOWN, LARGE, SMALL]


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("", 0),
        ("four", 1),
        ("fives", 2),
        ("東京タワー", 5),
        ([{"role": "user", "content": "four"}], 6),
        ({"image_url": {"url": "data:image/png;base64," + "A" * 100_000}}, 1_000),
    ],
)
def test_tokens_are_told_from_characters(value: object, tokens: int) -> None:
    assert tokens_of(value) == tokens


def test_an_estimate_reads_what_the_model_reads_and_the_bound_of_what_it_writes() -> None:
    bounded = estimate(an_entry(max_completion_tokens=50, user="x" * 4_000).request)
    unbounded = estimate(an_entry(system="x" * 4_000).request)

    assert (bounded.input_tokens, bounded.output_tokens) == (6, 50)
    assert (unbounded.input_tokens, unbounded.output_tokens) == (1_006, 1_000)
