"""The orders in which a model's routes are tried: each is a function of what is known, and none of them draws.

A seed stands for chance: the session's id where its calls shall go one way, else the call's own.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from services.serving.routing.weights import by_weight
from shared.live import Route

# A session stays where it is until that is so much slower than the other: "bounded loads" in the sense of
# Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2018).
SLOWER = 2.0


def by_priority(routes: Sequence[Route]) -> Sequence[Route]:
    """As they are written, those of weight 0 left out."""
    return [route for route in routes if route.weight > 0]


def by_latency(
    routes: Sequence[Route], seed: str, load: Callable[[Route], float], *, sticky: bool = False
) -> Sequence[Route]:
    """The better of two that were drawn, then the others by their loads.

    Two choices, and not the best of all: every process of an installation sees loads a little late, and would
    run to the same upstream at once (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
    2001). `sticky`: the first drawn is kept until it is `SLOWER` times as bad as the second.
    """
    drawn = by_weight(routes, seed)
    if len(drawn) <= 1:
        return drawn
    loads = {route: load(route) for route in drawn}
    first, second, *others = drawn
    if loads[first] > loads[second] * (SLOWER if sticky else 1.0):
        first, second = second, first
    return [first, *sorted((second, *others), key=loads.__getitem__)]


def by_cost(
    routes: Sequence[Route], seed: str, cost_usd: Callable[[Route], Decimal | None]
) -> Sequence[Route]:
    """The cheapest first, those without a price last; drawn by weight where the cost is the same."""
    quoted = [(cost_usd(route), route) for route in by_weight(routes, seed)]
    priced = [(cost, route) for cost, route in quoted if cost is not None]
    cheapest = sorted(priced, key=lambda each: each[0])
    unpriced = [route for cost, route in quoted if cost is None]
    return [*(route for _, route in cheapest), *unpriced]


def by_context(routes: Sequence[Route], seed: str, tokens: int) -> Sequence[Route]:
    """Those into whose context window so many tokens fit, the smallest window first; one of no known size is
    the largest of all. Where they fit nowhere, the largest alone: how long a text is, its upstream knows better.
    """
    drawn = sorted(by_weight(routes, seed), key=window)
    return [route for route in drawn if window(route) >= tokens] or drawn[-1:]


def roomy_first(routes: Sequence[Route], tokens: int) -> Sequence[Route]:
    """The same order, those last into which so many tokens do not fit."""
    return sorted(routes, key=lambda route: window(route) < tokens)


def window(route: Route) -> float:
    """The tokens that a route can read; infinite where that is not known."""
    return float("inf") if route.max_input_tokens is None else route.max_input_tokens
