"""Which upstream is asked, and which next: weighted, the same for a session, with fallbacks."""

import hashlib
import math
from collections.abc import Mapping, Sequence

from shared.live import Model, Route


def plan(model: Model, models: Mapping[str, Model], seed: str) -> tuple[Route, ...]:
    """The routes to try, in order: the model's own, then those of each public name it falls back to.

    The same seed gives the same order: a session's id keeps a session with one upstream, a call's
    own id spreads calls by weight. The fallbacks of a fallback are not followed.
    """
    names = [model, *(models[name] for name in model.fallbacks if name in models)]
    ordered = (route for each in names for route in ordered_by_weight(each.routes, seed))
    return tuple(dict.fromkeys(ordered))


def ordered_by_weight(routes: Sequence[Route], seed: str) -> Sequence[Route]:
    """The routes drawn one by one, each with a chance in proportion to its weight; weight 0 is never drawn.

    Keys `-ln(u) / weight` with one uniform `u` a route, ascending (Efraimidis and Spirakis 2006,
    "Weighted random sampling with a reservoir"). `u` comes from a hash of seed and route, so that
    adding or draining one route moves only the sessions that it gains or loses.

    >>> both = (Route("a", "m", weight=1), Route("b", "m", weight=3))
    >>> [ordered_by_weight(both, f"session-{n}")[0].provider for n in range(8)]
    ['b', 'b', 'b', 'b', 'b', 'b', 'a', 'a']
    """
    if len(routes) == 1:
        return routes
    drawn = [route for route in routes if route.weight > 0]
    return sorted(drawn, key=lambda route: -math.log(_uniform(seed, route)) / route.weight)


def _uniform(seed: str, route: Route) -> float:
    """A number in (0, 1] that only the seed and the route decide."""
    text = f"{seed}\x1f{route.provider}\x1f{route.model}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / 2**64
