"""The upstreams of one route: the same model of the same provider, once for each of the provider's keys."""

from collections.abc import Collection, Sequence

from services.serving.routing.upstream import Upstream
from services.serving.routing.weights import uniform, weighted_key
from shared.live import Route


class Pool:
    """Says which key a call is asked with: the least loaded by its weight, in turn where they are equal.

    The calls of a session keep their key as long as it is good, for what a provider has cached of a
    conversation belongs to the account that asked.
    """

    def __init__(self, route: Route, upstreams: Sequence[Upstream]) -> None:
        self.route = route
        self.upstreams = upstreams

    def choose(
        self, now: float, session: str, besides: Collection[Upstream] = ()
    ) -> Upstream | None:
        """An upstream that may be asked at once and was not asked for this call; None when there is none."""
        ready = [
            one
            for one in self.upstreams
            if one.slots.free and one.admits(now) and one not in besides
        ]
        if len(ready) <= 1:
            return ready[0] if ready else None
        if session:
            return min(ready, key=lambda one: self._place(one, session))
        return min(ready, key=lambda one: ((one.in_flight + 1) / one.key.weight, one.visits))

    def full(self, now: float, besides: Collection[Upstream] = ()) -> Upstream | None:
        """An upstream that may be asked as soon as it has a free slot, and has room to wait for one."""
        waiting = (
            one
            for one in self.upstreams
            if one.admits(now) and not one.slots.free and one.slots.has_room and one not in besides
        )
        return next(waiting, None)

    def soonest(self, now: float) -> Upstream:
        """The upstream that admits calls soonest."""
        return min(self.upstreams, key=lambda one: one.opens_in(now))

    def denied(self, now: float, besides: Collection[Upstream] = ()) -> Upstream | None:
        """An upstream against which nothing speaks but that its key was refused before."""
        refused = (
            one
            for one in self.upstreams
            if one.is_denied(now) and one.lets_in(now) and one.slots.free and one not in besides
        )
        return next(refused, None)

    def admits(self, now: float) -> bool:
        """Whether one of its upstreams may be asked."""
        return any(one.admits(now) for one in self.upstreams)

    def load(self, now: float, *, streaming: bool) -> float:
        """The load of the upstream that would be asked; infinite when none may be."""
        loads = (one.load(now, streaming=streaming) for one in self.upstreams if one.admits(now))
        return min(loads, default=float("inf"))

    def _place(self, upstream: Upstream, session: str) -> float:
        drawn = uniform(f"{session}\x1f{upstream.id.key}", self.route)
        return weighted_key(drawn, upstream.key.weight)
