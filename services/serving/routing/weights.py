"""Weighted draws that a seed decides: the same for a session, spread by weight over calls."""

import hashlib
import math
from collections.abc import Sequence

from shared.live import Route


def by_weight(routes: Sequence[Route], seed: str) -> Sequence[Route]:
    """The routes drawn one by one, each with a chance in proportion to its weight; weight 0 is never drawn.

    Keys `-ln(u) / weight` with one uniform `u` a route, ascending (Efraimidis and Spirakis 2006,
    "Weighted random sampling with a reservoir"). `u` comes from a hash of seed and route, so that adding or
    draining one route moves only the sessions that it gains or loses (rendezvous hashing, Thaler and
    Ravishankar 1998).

    >>> both = (Route("a", "m", weight=1), Route("b", "m", weight=3))
    >>> [by_weight(both, f"session-{n}")[0].provider for n in range(8)]
    ['b', 'b', 'b', 'b', 'b', 'b', 'a', 'a']
    """
    drawn = [route for route in routes if route.weight > 0]
    if len(drawn) <= 1:
        return drawn
    return sorted(drawn, key=lambda route: weighted_key(uniform(seed, route), route.weight))


def weighted_key(drawn: float, weight: int) -> float:
    """The key by which a weighted draw sorts; `drawn` is in (0, 1]."""
    return -math.log(drawn) / weight


def uniform(seed: str, route: Route) -> float:
    """A number in (0, 1] that only the seed and the route decide."""
    text = f"{seed}\x1f{route.provider}\x1f{route.model}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / 2**64
