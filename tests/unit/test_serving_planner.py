"""The plan of a call: what it may take at all, what can answer it, and only then what is preferred."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.gate import Entry
from services.serving.domain.request import Kind
from services.serving.routing.permission import permitted
from services.serving.routing.upstream import Visit
from shared.errors import Denied, Invalid, LeewayError, NotFound, Unavailable
from shared.live import Key, Model, Route
from shared.policy import Guardrail, Limits, Policy, Routing
from tests.builders import a_caller
from tests.routed import House, an_entry, failing

A, B, C = Route("a", "x"), Route("b", "x", weight=3), Route("c", "x")
EU = Route("eu", "x", tags=("region=eu",))
ACMES = Route("acmes", "x", tenants=("acme",))

regions = st.sampled_from(["eu", "us", ""])
routes = st.lists(
    st.builds(
        Route,
        provider=st.sampled_from("abcdef"),
        model=st.sampled_from("xy"),
        weight=st.integers(0, 3),
        tenants=st.sampled_from([(), ("acme",), ("globex",), ("acme", "globex")]),
        tags=st.sampled_from([(), ("region=eu",), ("region=us",), ("region=eu", "team=a")]),
        max_input_tokens=st.none() | st.integers(1, 50),
    ),
    min_size=1,
    max_size=6,
)


def planned(house: House, entry: Entry | None = None) -> list[str]:
    return [route.provider for route in house.planner.plan(entry or an_entry())]


def steered(strategy: str, *given: Route, **more: object) -> Model:
    routing = Routing(strategy=strategy, **more)  # type: ignore[arg-type]
    return Model("m", given, policy=Policy(routing=routing))


@given(
    routes,
    routes,
    st.sampled_from(["weighted", "priority", "latency", "cost", "context"]),
    st.sampled_from(["acme", "globex", "other"]),
    st.fixed_dictionaries({}, optional={"region": regions, "team": st.just("a")}),
    st.sampled_from(["", "s"]),
)
def test_no_route_escapes_its_restriction_by_any_strategy_not_even_as_a_fallback(
    own: list[Route],
    others: list[Route],
    strategy: str,
    tenant: str,
    tags: Mapping[str, str],
    session: str,
) -> None:
    policy = Policy(routing=Routing(strategy=strategy))  # type: ignore[arg-type]
    house = House(
        [Model("m", tuple(own), ("spare",), policy), Model("spare", tuple(others), policy=policy)]
    )
    try:
        plan = house.planner.plan(an_entry(tenant=tenant, tags=tags, session=session))
    except (Denied, Unavailable):
        return

    assert plan
    assert all(permitted(route, tenant, tags) for route in plan)
    assert all(route.weight for route in plan)
    assert set(plan) <= {*own, *others}


def test_a_session_has_the_same_plan_every_time_and_in_every_process() -> None:
    models = [Model("m", (A, B, C))]
    plans = {tuple(planned(House(models), an_entry(session="s", call=str(n)))) for n in range(20)}

    assert len(plans) == 1
    without = {tuple(planned(House(models), an_entry(call=str(n)))) for n in range(20)}
    assert len(without) > 1


def test_sessions_of_different_tenants_are_drawn_apart() -> None:
    house = House([Model("m", (A, B, C))])
    entries = [an_entry(session="s", tenant=f"t{n}") for n in range(30)]

    assert len({tuple(planned(house, entry)) for entry in entries}) > 1


def test_without_stickiness_a_session_is_drawn_call_by_call() -> None:
    house = House([steered("weighted", A, B, C, sticky=False)])
    entries = [an_entry(session="s", call=str(n)) for n in range(30)]

    assert len({tuple(planned(house, entry)) for entry in entries}) > 1


def test_fallbacks_come_after_every_route_of_the_model_and_each_route_once() -> None:
    spare = Model("spare", (Route("b", "x"), C), ("m",))
    house = House([Model("m", (A, B), ("spare", "gone")), spare])

    routes = house.planner.plan(an_entry())

    assert set(routes[:2]) == {A, B}
    assert routes[2:] == [C]


def test_latency_prefers_what_is_not_busy_or_broken() -> None:
    house = House([steered("latency", A, C)])
    for route in (A, C):
        upstream = house.upstreams.pool(route).upstreams[0]
        upstream.whole.observe(0.0, 1.0 if route is A else 0.1)
    assert planned(house) == ["c", "a"]

    upstream = house.upstreams.pool(C).upstreams[0]
    for _ in range(12):
        upstream.slots.take()
        Visit(upstream, house.clock, streaming=False)
    assert planned(house) == ["a", "c"]

    house.upstreams.pool(A).upstreams[0].learn(
        failing(429, retry_after="5"), 0.0, house.clock.now()
    )
    assert planned(house) == ["c", "a"]


def test_cost_prefers_the_cheapest_for_what_is_asked() -> None:
    dear, cheap = Route("a", "dear"), Route("b", "cheap")
    prices = {"dear": Decimal(2), "cheap": Decimal(1)}

    assert planned(House([steered("cost", dear, cheap)], prices=prices)) == ["b", "a"]


def test_context_prefers_the_smallest_window_that_fits() -> None:
    small, large = Route("a", "x", max_input_tokens=100), Route("b", "x", max_input_tokens=10_000)
    house = House([steered("context", large, small)])
    long = an_entry(system="x" * 4_000)

    assert (planned(house), planned(house, long)) == (["a", "b"], ["b"])


def test_a_window_that_is_too_small_comes_last_by_any_strategy() -> None:
    small, large = Route("a", "x", max_input_tokens=100), Route("b", "x", max_input_tokens=10_000)
    house = House([steered("priority", small, large)])

    assert planned(house, an_entry(system="x" * 4_000)) == ["b", "a"]


@pytest.mark.parametrize(
    ("given", "entry", "refusal"),
    [
        ((A,), an_entry(model="other"), NotFound),
        ((EU,), an_entry(), Denied),
        ((EU,), an_entry(tags={"region": "us"}), Denied),
        ((ACMES,), an_entry(tenant="globex"), Denied),
        ((replace(A, weight=0),), an_entry(), Unavailable),
    ],
)
def test_a_call_without_a_route_is_refused_by_name(
    given: tuple[Route, ...], entry: Entry, refusal: type[LeewayError]
) -> None:
    with pytest.raises(refusal):
        House([Model("m", given)]).planner.plan(entry)


def test_a_kind_that_no_provider_answers_is_refused() -> None:
    house = House([Model("m", (A,))])
    house.providers["a"].kinds = frozenset((Kind.EMBEDDING,))

    with pytest.raises(Invalid, match="kind chat"):
        house.planner.plan(an_entry())


def test_a_provider_that_cannot_answer_is_passed_over() -> None:
    house = House([Model("m", (A, C))])
    house.providers["a"].kinds = frozenset((Kind.EMBEDDING,))

    assert planned(house) == ["c"]


class TestFallbacksAndControls:
    """A fallback never lets a call do what it could not have asked for."""

    def test_a_name_that_the_key_may_not_ask_for_is_no_fallback(self) -> None:
        house = House([Model("m", (A,), ("spare",)), Model("spare", (C,))])
        caller = a_caller()
        house.live.keys[caller.key_id] = Key(
            caller.key_id,
            "acme",
            "default",
            "production",
            caller.scopes,
            "",
            policy=Policy(models=("m*",)),
        )
        assert planned(house) == ["a"]

        house.live.keys.clear()
        assert planned(house) == ["a", "c"]

    @pytest.mark.parametrize(
        ("own", "spares", "taken"),
        [
            (Policy(), Policy(), True),
            (Policy(limits=Limits(concurrent=1)), Policy(), True),
            (Policy(), Policy(limits=Limits(concurrent=1)), False),
            (Policy(), Policy(guardrails=(Guardrail("pii"),)), False),
            (Policy(guardrails=(Guardrail("pii"),)), Policy(guardrails=(Guardrail("pii"),)), True),
            (Policy(), Policy(max_cost_usd=Decimal(1)), False),
            (Policy(), Policy(routing=Routing(strategy="priority")), True),
        ],
    )
    def test_a_name_with_controls_that_the_call_has_not_passed_is_no_fallback(
        self, own: Policy, spares: Policy, taken: bool
    ) -> None:
        models = [Model("m", (A,), ("spare",), own), Model("spare", (C,), policy=spares)]

        assert planned(House(models)) == (["a", "c"] if taken else ["a"])
