"""One call's way through its routes: what was tried, and what may be tried next, and when."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.serving.domain.failure import UpstreamFailed
from services.serving.routing.outcome import Outcome, is_too_long, may_repeat, outcome_of
from services.serving.routing.pool import Pool
from services.serving.routing.retries import RetryLimits, backoff_seconds, retry_after_seconds
from services.serving.routing.strategies import window
from services.serving.routing.upstream import Upstream
from shared.policy import Routing


@dataclass(frozen=True, slots=True)
class Step:
    """An upstream to ask after a wait; `queued`: once it has a free slot; `repeated`: the call asked it before."""

    pool: Pool
    upstream: Upstream
    wait_seconds: float = 0.0
    queued: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class WayRules:
    """What a way goes by: the model's routing, how often upstreams are asked again, and the call's session."""

    routing: Routing
    retries: RetryLimits
    session: str = ""


class Way:
    """Says what to try next: what is free before what must be waited for, and new before once more.

    An upstream that is asked once more for the same call spends of its retry budget. One that dropped its
    connection without a word has done nothing, and is asked once more for nothing ("transparent retries" of
    gRFC A6).
    """

    def __init__(self, pools: Sequence[Pool], rules: WayRules, draw: random.Random) -> None:
        self._fresh = list(pools)
        self._dropped: Step | None = None
        self._patient: Step | None = None
        self._again: list[Step] = []
        self._asked: set[Upstream] = set()
        self._rules = rules
        self._draw = draw
        self._retries = rules.routing.retries
        self._redone = False
        self._failures = 0

    def next(self, now: float) -> Step | None:
        """What to try next; None when there is nothing, or nothing that is worth waiting for."""
        if self._dropped is not None:
            step, self._dropped = self._dropped, None
            return step
        if self._patient is not None:
            step, self._patient = self._patient, None
            if self._may_repeat(step, now):
                return step
        return self._untried(now) or self._queued(now) or self._waited(now) or self._last(now)

    def beside(self, step: Step, now: float) -> Step | None:
        """What to ask beside a step that is slow: another route, another key, or else the same upstream.

        It spends of the budget of whoever is asked; None when that allows nothing, or nobody is free.
        """
        other = self._untried(now, spend=True)
        if other is not None:
            return other
        upstream = step.pool.choose(now, "", (step.upstream,)) or step.pool.choose(now, "")
        if upstream is None or not upstream.budget.take(now):
            return None
        return Step(step.pool, upstream, repeated=True)

    def missed(self, step: Step) -> None:
        """What was to be tried is not free any more: it may be later, but a queue is joined once."""
        if not (step.queued or step.repeated):
            self._fresh.append(step.pool)

    def failed(self, step: Step, failure: UpstreamFailed, now: float, wall: datetime) -> None:
        """A try failed: what that leaves to be tried."""
        self._failures += 1
        self._asked.add(step.upstream)
        if not failure.elsewhere:
            self._keep_roomier(step.pool, failure)
        elif failure.dropped and not self._redone:
            self._redone = True
            self._retries -= 1
            self._dropped = Step(step.pool, step.upstream, repeated=True)
        elif outcome_of(failure) in _OF_THE_KEY and self._has_other_key(step.pool, now):
            self._fresh.insert(0, step.pool)
        elif may_repeat(failure):
            self._put_off(step, retry_after_seconds(failure.headers, wall))

    def refusal(self, model: str, now: float) -> UpstreamFailed:
        """Why nothing was asked at all, and after how long something may be."""
        soonest = [pool.soonest(now) for pool in self._fresh]
        seconds = min((one.opens_in(now) for one in soonest), default=0.0)
        if not seconds:
            return _refusal(model, "is as busy as it may be", 1.0, code="upstream_busy")
        if all(one.paced_until > now for one in soonest):
            why = "asks to be left alone"
            return _refusal(model, why, seconds, code="upstream_limited", status=429)
        return _refusal(model, "has failed too often", seconds, code="upstream_resting")

    def _untried(self, now: float, *, spend: bool = False) -> Step | None:
        for pool in self._fresh:
            upstream = pool.choose(now, self._rules.session, self._asked)
            if upstream is not None and (not spend or upstream.budget.take(now)):
                self._fresh.remove(pool)
                return Step(pool, upstream)
        return None

    def _queued(self, now: float) -> Step | None:
        for pool in self._fresh:
            upstream = pool.full(now, self._asked)
            if upstream is not None:
                self._fresh.remove(pool)
                return Step(pool, upstream, queued=True)
        return None

    def _waited(self, now: float) -> Step | None:
        """One that will admit calls soon, or may be asked again."""
        for pool in self._fresh:
            upstream = pool.soonest(now)
            if 0 < upstream.opens_in(now) <= self._rules.routing.patience_seconds:
                self._fresh.remove(pool)
                return Step(pool, upstream, wait_seconds=upstream.opens_in(now))
        while self._again:
            step = self._again.pop(0)
            if self._may_repeat(step, now):
                return step
        return None

    def _last(self, now: float) -> Step | None:
        """A key that was refused before is better than no key: it may have been let in meanwhile."""
        for pool in self._fresh:
            upstream = pool.denied(now, self._asked)
            if upstream is not None:
                self._fresh.remove(pool)
                return Step(pool, upstream)
        return None

    def _may_repeat(self, step: Step, now: float) -> bool:
        """Whether a step may be taken once more; then its retry is spent."""
        upstream = step.upstream
        if self._retries <= 0 or not upstream.breaker.admits(now) or not upstream.budget.take(now):
            return False
        self._retries -= 1
        return True

    def _put_off(self, step: Step, told_seconds: float | None) -> None:
        """Ask it again: when it says if that is soon, after a backoff if it does not say, else not at all."""
        backoff = backoff_seconds(self._rules.retries, self._failures, self._draw)
        again = Step(step.pool, step.upstream, wait_seconds=backoff, repeated=True)
        if told_seconds is None:
            self._again.append(again)
        elif told_seconds <= self._rules.routing.patience_seconds:
            self._patient = replace(again, wait_seconds=told_seconds)

    def _has_other_key(self, pool: Pool, now: float) -> bool:
        return pool.choose(now, self._rules.session, self._asked) is not None

    def _keep_roomier(self, pool: Pool, failure: UpstreamFailed) -> None:
        """The request is at fault: nobody else is asked, but who can read more where it was too long."""
        self._again.clear()
        room = window(pool.route) if is_too_long(failure) else math.inf
        self._fresh = [other for other in self._fresh if window(other.route) > room]


def _refusal(
    model: str, why: str, seconds: float, *, code: str, status: int = 503
) -> UpstreamFailed:
    headers = {
        "retry-after": str(max(1, math.ceil(seconds))),
        "retry-after-ms": str(math.ceil(seconds * 1000)),
    }
    message = f"No upstream of the model {model!r} takes calls now: each {why}."
    return UpstreamFailed(message, code=code, status=status, headers=headers)


# Failures after which another key of the same provider may be let in.
_OF_THE_KEY = frozenset((Outcome.DENIED, Outcome.LIMITED))
