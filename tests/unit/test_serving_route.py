"""Which upstream is asked first, and which next."""

from collections import Counter

from services.serving.domain.route import ordered_by_weight, plan
from shared.live import Model, Route

A, B, C = Route("a", "m", 1), Route("b", "m", 3), Route("c", "m", 1)


def test_first_choices_follow_the_weights() -> None:
    first = Counter(ordered_by_weight((A, B), f"call-{n}")[0].provider for n in range(4000))

    assert (first["a"], first["b"]) == (1023, 2977)


def test_a_session_keeps_its_upstream_when_another_is_added() -> None:
    seeds = [f"session-{n}" for n in range(200)]

    before = {seed: ordered_by_weight((A, B), seed)[0] for seed in seeds}
    after = {seed: ordered_by_weight((A, B, C), seed)[0] for seed in seeds}

    assert {seed for seed in seeds if before[seed] != after[seed]} == {
        seed for seed in seeds if after[seed] == C
    }


def test_a_drained_route_is_never_drawn() -> None:
    assert ordered_by_weight((Route("a", "m", 0), B), "s") == [B]


def test_fallbacks_come_after_every_route_of_the_model_and_each_route_once() -> None:
    models = {
        "main": Model("main", (A, B), fallbacks=("spare", "gone")),
        "spare": Model("spare", (B, C), fallbacks=("main",)),
    }

    routes = plan(models["main"], models, "seed")

    assert set(routes[:2]) == {A, B}
    assert routes[2:] == (C,)
