"""Every upstream of the process: made when a route first leads there, and anew when its provider has changed."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from services.serving.domain.failure import UpstreamFailed
from services.serving.providers.credentials import Secret, key_references
from services.serving.routing.latency import Latency
from services.serving.routing.pool import Pool
from services.serving.routing.upstream import (
    ProviderKey,
    RoutingLimits,
    Upstream,
    UpstreamId,
    breaker_level,
    new_upstream,
)
from shared.clock import Clock
from shared.live import LiveView, Provider, Route
from shared.metrics import (
    UPSTREAM_BENCHED,
    UPSTREAM_BREAKER,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LATENCY,
)

_FINGERPRINT_BYTES = 4
_BY_UPSTREAM = (UPSTREAM_IN_FLIGHT, UPSTREAM_BREAKER, UPSTREAM_BENCHED)
_ANSWERS = {"whole": False, "stream": True}

_Place = tuple[str, str]  # a provider and its name of a model


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """How an upstream is doing, for people. Times are seconds from now, and 0 for none."""

    provider: str
    model: str
    key: str
    breaker: str
    opens_in_seconds: float
    key_denied: bool
    in_flight: int
    whole_seconds: float
    stream_seconds: float


class Upstreams:
    """Finds the pool of a route, and tells how all of them are.

    A provider's new entry begins with nothing known: no open breaker, no benched key.
    """

    def __init__(self, live: LiveView, secret: Secret, clock: Clock, limits: RoutingLimits) -> None:
        self.limits = limits
        self._live = live
        self._secret = secret
        self._clock = clock
        self._keys: dict[str, tuple[Provider | None, Sequence[ProviderKey]]] = {}
        self._pools: dict[_Place, tuple[Provider | None, Pool]] = {}
        self._revision = -1

    def pool(self, route: Route) -> Pool:
        """The upstreams of a route. One whose provider is not live has one, which will fail by saying so."""
        if self._live.revision != self._revision:
            self._forget_the_gone()
        entry = self._live.providers.get(route.provider)
        place = (route.provider, route.model)
        kept = self._pools.get(place)
        if kept is not None and kept[0] is entry:
            return kept[1]
        if kept is not None:
            _hide(kept[1].upstreams)
        pool = Pool(route, [self._new(route, key, entry) for key in self._keys_of(route, entry)])
        self._pools[place] = (entry, pool)
        return pool

    def seen(self) -> Sequence[UpstreamSeen]:
        """Every upstream that was asked since its provider last changed, by name."""
        pools = [self._pools[place][1] for place in sorted(self._pools)]
        return [self._seen(one) for pool in pools for one in pool.upstreams]

    def _keys_of(self, route: Route, entry: Provider | None) -> Sequence[ProviderKey]:
        kept = self._keys.get(route.provider)
        if kept is None or kept[0] is not entry:
            keys = [ProviderKey()] if entry is None else self._new_keys(entry)
            kept = self._keys[route.provider] = (entry, keys)
        return kept[1]

    def _new_keys(self, entry: Provider) -> Sequence[ProviderKey]:
        weights = entry.options.get("key_weights")
        given = list(weights) if isinstance(weights, list | tuple) else []
        return [
            ProviderKey(place, self._fingerprint(reference), _weight(given, place))
            for place, reference in enumerate(key_references(entry))
        ]

    def _fingerprint(self, reference: str) -> str:
        """A few hex digits that tell a provider's keys apart, and from which none can be had back."""
        try:
            secret = self._secret(reference)
        except UpstreamFailed:  # asking with it will say so
            return ""
        if not secret:
            return ""
        return hashlib.blake2b(secret.encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()

    def _new(self, route: Route, key: ProviderKey, entry: Provider | None) -> Upstream:
        at_once = None if entry is None else entry.options.get("max_concurrency")
        upstream = new_upstream(
            UpstreamId(route.provider, route.model, key.fingerprint),
            key,
            self.limits,
            at_once if isinstance(at_once, int) else None,
        )
        self._show(upstream)
        return upstream

    def _show(self, upstream: Upstream) -> None:
        """Have its gauges read from it whenever they are scraped: a call costs nothing for them."""
        labels, clock = upstream.id.labels, self._clock
        UPSTREAM_IN_FLIGHT.labels(*labels).set_function(lambda: upstream.in_flight)
        UPSTREAM_BREAKER.labels(*labels).set_function(
            lambda: breaker_level(upstream.breaker.state(clock.monotonic()))
        )
        UPSTREAM_BENCHED.labels(*labels).set_function(
            lambda: float(not upstream.is_rested(clock.monotonic()))
        )
        for answer, streaming in _ANSWERS.items():
            latency = upstream.latency(streaming=streaming)
            UPSTREAM_LATENCY.labels(*labels, answer).set_function(_average_of(latency, clock))

    def _forget_the_gone(self) -> None:
        """Forget the upstreams that no route leads to any more."""
        self._revision = self._live.revision
        models = self._live.models.values()
        led_to = {(route.provider, route.model) for model in models for route in model.routes}
        for place in self._pools.keys() - led_to:
            _hide(self._pools.pop(place)[1].upstreams)

    def _seen(self, upstream: Upstream) -> UpstreamSeen:
        now = self._clock.monotonic()
        return UpstreamSeen(
            *upstream.id.labels,
            breaker=upstream.breaker.state(now),
            opens_in_seconds=round(upstream.opens_in(now), 3),
            key_denied=upstream.is_denied(now),
            in_flight=upstream.in_flight,
            whole_seconds=round(upstream.whole.average(now), 6),
            stream_seconds=round(upstream.streamed.average(now), 6),
        )


def _average_of(latency: Latency, clock: Clock) -> Callable[[], float]:
    return lambda: latency.average(clock.monotonic())


def _hide(upstreams: Iterable[Upstream]) -> None:
    for upstream in upstreams:
        for gauge in _BY_UPSTREAM:
            gauge.remove(*upstream.id.labels)
        for answer in _ANSWERS:
            UPSTREAM_LATENCY.remove(*upstream.id.labels, answer)


def _weight(weights: Sequence[object], place: int) -> int:
    weight = weights[place] if place < len(weights) else 1
    return weight if isinstance(weight, int) and weight > 0 else 1
