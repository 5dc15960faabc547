"""One upstream, that is a provider's model asked with one key: how it is doing, and the visits of calls to it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from prometheus_client import Counter

from services.serving.domain.failure import UpstreamFailed
from services.serving.providers.port import Stream
from services.serving.routing.breaker import Breaker, BreakerLimits, State
from services.serving.routing.latency import Latency
from services.serving.routing.outcome import Outcome, outcome_of
from services.serving.routing.retries import RetryBudget, RetryLimits, retry_after_seconds
from services.serving.routing.slots import Slots
from shared.clock import Clock
from shared.metrics import UPSTREAM_CALLS

# An upstream that limits without a word of how long, and the longest that one is believed.
PACE_SECONDS = 1.0
MAX_PACE_SECONDS = 60.0
# A key that is refused is not tried again for so long, unless its provider's entry changes.
BENCH_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RoutingLimits:
    """What holds for each upstream; `queue_seconds` is how long a call waits for one that is full."""

    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    retries: RetryLimits = field(default_factory=RetryLimits)
    queue_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class UpstreamId:
    """Which upstream: `key` is a fingerprint of the provider's key, empty without one."""

    provider: str
    model: str
    key: str = ""

    @property
    def labels(self) -> tuple[str, str, str]:
        """The labels of its metrics."""
        return self.provider, self.model, self.key


@dataclass(slots=True)
class ProviderKey:
    """One key of a provider's pool, at its `place` there; all upstreams asked with it share its bench."""

    place: int = 0
    fingerprint: str = ""
    weight: int = 1
    benched_until: float = 0.0


@dataclass(slots=True, eq=False)
class Upstream:
    """The state of one upstream, equal to no other. Times are seconds of the clock's monotonic time.

    `paced_until`: it asked to be left alone; `denied_until`: it does not let this key use this model.
    """

    id: UpstreamId
    key: ProviderKey
    breaker: Breaker
    slots: Slots
    budget: RetryBudget
    whole: Latency = field(default_factory=Latency)
    streamed: Latency = field(default_factory=Latency)
    in_flight: int = 0
    visits: int = 0
    paced_until: float = 0.0
    denied_until: float = 0.0
    _counters: dict[Outcome, Counter] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """A visit ended."""
        counter = self._counters.get(outcome)
        if counter is None:
            counter = self._counters[outcome] = UPSTREAM_CALLS.labels(*self.id.labels, outcome)
        counter.inc()

    def admits(self, now: float) -> bool:
        """Whether it may be asked now, if it is not full."""
        return self.is_rested(now) and self.breaker.admits(now)

    def is_rested(self, now: float) -> bool:
        """Whether neither it nor its key is to be left alone now."""
        return self.paced_until <= now and not self.is_denied(now)

    def is_denied(self, now: float) -> bool:
        """Whether its key is benched."""
        return now < self.denied_until or now < self.key.benched_until

    def lets_in(self, now: float) -> bool:
        """Whether it may be asked, if need be with a key that was refused before."""
        return self.paced_until <= now and self.breaker.admits(now)

    def opens_in(self, now: float) -> float:
        """Seconds until it admits calls again, as far as that can be told."""
        until = max(self.paced_until, self.denied_until, self.key.benched_until) - now
        return max(0.0, until, self.breaker.opens_in(now))

    def latency(self, *, streaming: bool) -> Latency:
        """The times to the first event of streams, or to the end of whole answers."""
        return self.streamed if streaming else self.whole

    def load(self, now: float, *, streaming: bool) -> float:
        """How long one more call may take, seconds: less is better."""
        return self.latency(streaming=streaming).load(now, in_flight=self.in_flight)

    def learn(self, failure: UpstreamFailed, now: float, wall: datetime) -> None:
        """Take to heart what a failure says of the time to come; the breaker is told by the visit."""
        asked = retry_after_seconds(failure.headers, wall)
        match outcome_of(failure):
            case Outcome.LIMITED:
                self._pace(now, PACE_SECONDS if asked is None else asked)
            case Outcome.FAILED if asked is not None:
                self._pace(now, asked)
            case Outcome.DENIED if failure.upstream_status == 401:
                self.key.benched_until = now + BENCH_SECONDS
            case Outcome.DENIED:  # of this model perhaps, or of what the account has left
                self.denied_until = now + BENCH_SECONDS
            case _:
                pass

    def _pace(self, now: float, seconds: float) -> None:
        self.paced_until = max(self.paced_until, now + min(seconds, MAX_PACE_SECONDS))


class Visit:
    """One try of a call at an upstream, from before it is asked until its answer has ended.

    It holds one of the upstream's slots; it ends exactly once, whoever says so first. As a block it ends with
    what the block raises, and goes on when it raises nothing.
    """

    def __init__(self, upstream: Upstream, clock: Clock, *, streaming: bool) -> None:
        """The slot has been taken already."""
        self.upstream = upstream
        self._clock = clock
        self._latency = upstream.latency(streaming=streaming)
        self._began = clock.monotonic()
        self._round = upstream.breaker.enter(self._began)
        self._answering = False
        self._ended = False
        self.stream: Stream | None = None
        upstream.in_flight += 1
        upstream.visits += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.end(error)

    def answers(self) -> None:
        """The first of an answer has come, or the whole of it."""
        if not self._answering:
            now = self._clock.monotonic()
            self._answering = True
            self._latency.observe(now, now - self._began)
            self.upstream.breaker.answers(self._round)

    async def leave(self) -> None:
        """Give it up: nobody wants its answer any more."""
        if self.stream is not None:
            await self.stream.aclose()
        self.end(asyncio.CancelledError())

    def end(self, failure: BaseException | None = None) -> None:
        """It is over: answered whole, or with what ended it. Only the first word of it counts."""
        if self._ended:
            return
        self._ended = True
        upstream, now = self.upstream, self._clock.monotonic()
        upstream.in_flight -= 1
        upstream.slots.give_back()
        outcome = _outcome(failure)
        upstream.count(outcome)
        if outcome.is_fault:
            upstream.breaker.fail(self._round, now)
            if not self._answering:
                self._latency.punish(now, now - self._began)
        elif outcome in _SAY_NOTHING:
            upstream.breaker.forget(self._round)
        else:
            upstream.breaker.succeed(self._round, now)
        if isinstance(failure, UpstreamFailed):
            upstream.learn(failure, now, self._clock.now())


def new_upstream(
    of: UpstreamId, key: ProviderKey, limits: RoutingLimits, at_once: int | None
) -> Upstream:
    """An upstream of which nothing is known; as many calls may wait for it as it takes `at_once`."""
    return Upstream(
        of,
        key,
        Breaker(limits.breaker),
        Slots(at_once, queue=at_once or 0),
        RetryBudget(limits.retries),
    )


def breaker_level(state: State) -> int:
    """A breaker's state as a number of a metric."""
    return _LEVELS[state]


def _outcome(failure: BaseException | None) -> Outcome:
    if failure is None:
        return Outcome.OK
    return outcome_of(failure) if isinstance(failure, UpstreamFailed) else Outcome.LEFT


# What ends a visit without a word about the upstream's health: a limit is no illness, and no recovery.
_SAY_NOTHING = frozenset((Outcome.LEFT, Outcome.LIMITED, Outcome.DENIED, Outcome.MISCONFIGURED))
_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
