"""Every upstream of the process: made when a route first leads there, and anew when its provider has changed."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self._keys: dict[str, Sequence[ProviderKey]] = {}
        self._upstreams: dict[_Place, Sequence[Upstream]] = {}
        self._entries: Mapping[str, Provider] = {}  # as they were when they were last looked at
        self._revision = -1

    def pool(self, route: Route) -> Pool:
        """The upstreams of a route. One whose provider is not live has one, which will fail by saying so."""
        if self._live.revision != self._revision:
            self._take_up_changes()
        place = (route.provider, route.model)
        upstreams = self._upstreams.get(place)
        if upstreams is None:
            keys = self._keys_of(route.provider)
            upstreams = self._upstreams[place] = [self._new(route, key) for key in keys]
        return Pool(route, upstreams)

    def seen(self) -> Sequence[UpstreamSeen]:
        """Every upstream that was asked since its provider last changed, by name."""
        places = sorted(self._upstreams)
        return [self._seen(one) for place in places for one in self._upstreams[place]]

    def _keys_of(self, name: str) -> Sequence[ProviderKey]:
        keys = self._keys.get(name)
        if keys is None:
            entry = self._live.providers.get(name)
            keys = self._keys[name] = [ProviderKey()] if entry is None else self._new_keys(entry)
        return keys

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

    def _new(self, route: Route, key: ProviderKey) -> Upstream:
        entry = self._live.providers.get(route.provider)
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

    def _take_up_changes(self) -> None:
        """Forget the upstreams whose providers have changed, and those that no route leads to any more."""
        self._revision = self._live.revision
        models, providers = self._live.models.values(), self._live.providers
        led_to = {(route.provider, route.model) for model in models for route in model.routes}
        changed = {name for name in self._keys if self._entries.get(name) != providers.get(name)}
        for name in changed:
            del self._keys[name]
        for place in [*self._upstreams]:
            if place not in led_to or place[0] in changed:
                _hide(self._upstreams.pop(place))
        self._entries = dict(providers)

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
