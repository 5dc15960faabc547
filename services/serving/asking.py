"""Asking upstreams for a call: one after another until one answers, or two at once, and every try recorded."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

from services.serving.domain.call import Call, Status
from services.serving.domain.context import continued_trace
from services.serving.domain.failure import UpstreamFailed, overdue
from services.serving.domain.request import Kind
from services.serving.domain.trail import Attempt, Trail
from services.serving.providers.port import Ask, Provider
from services.serving.routing.hedging import hedge_after_seconds
from services.serving.routing.outcome import cost_free
from services.serving.routing.upstream import Visit
from services.serving.routing.upstreams import Upstreams
from services.serving.routing.watched import Watched
from services.serving.routing.way import Step, Way, WayRules
from shared.clock import Clock
from shared.live import LiveView, Route
from shared.metrics import UPSTREAM_HEDGES, UPSTREAM_RETRIES
from shared.policy import Routing

T = TypeVar("T")

Find = Callable[[Route, Kind], Provider]
"""The provider of a route, as it is asked for a kind. Raises `UpstreamFailed` when there is none."""

How = Callable[[Provider, Ask], Awaitable[T]]
"""How one provider is asked; what it returns is an answer that has begun. Raises `UpstreamFailed`."""

HEDGE_LOST = "hedge_lost"


@dataclass(frozen=True, slots=True)
class _Means:
    """What every search is made with."""

    upstreams: Upstreams
    find: Find
    clock: Clock
    max_attempts: int


@dataclass(frozen=True, slots=True)
class _Task(Generic[T]):
    """What is to be answered, how it is asked, and until when, in seconds of the loop's time."""

    call: Call
    trail: Trail
    how: How[T]
    routing: Routing
    until: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Try(Generic[T]):
    """One attempt at one upstream, and its answer to come."""

    visit: Visit
    attempt: Attempt
    answer: "asyncio.Task[T]"


class Asker:
    """Finds a call its first answer. What it asks is bounded for each call, and for each upstream."""

    def __init__(
        self,
        live: LiveView,
        upstreams: Upstreams,
        find: Find,
        clock: Clock,
        *,
        max_attempts: int,
        draw: random.Random,
    ) -> None:
        self._live = live
        self._means = _Means(upstreams, find, clock, max_attempts)
        self._draw = draw

    async def ask(self, call: Call, trail: Trail, how: How[T]) -> T:
        """The first answer that an upstream gives. Raises the last failure when none does.

        The attempt that answered stays open in the trail until the call ends; a stream among the answers
        holds its place at the upstream, and the client's deadline, until it is read to its end or closed.
        """
        model = self._live.models.get(call.request.model)
        routing = Routing() if model is None else model.policy.routing
        task = _Task(call, trail, how, routing, self._until(call))
        search = _Search(task, self._way(call, routing), self._means)
        if task.until is None:
            return await search.first_answer()
        try:
            async with asyncio.timeout_at(task.until):
                return await search.first_answer()
        except TimeoutError as fault:
            raise overdue() from fault

    def _until(self, call: Call) -> float | None:
        if call.timeout_seconds is None:
            return None
        taken = (self._means.clock.now() - call.started_at).total_seconds()
        return asyncio.get_running_loop().time() + call.timeout_seconds - taken

    def _way(self, call: Call, routing: Routing) -> Way:
        upstreams = self._means.upstreams
        session = call.context.session_id if routing.sticky else ""
        drawn_by = f"{call.caller.tenant}/{session}" if session else ""
        rules = WayRules(routing, upstreams.limits.retries, drawn_by)
        return Way([upstreams.pool(route) for route in call.routes], rules, self._draw)


class _Search(Generic[T]):
    """The search for one call's answer."""

    def __init__(self, task: _Task[T], way: Way, means: _Means) -> None:
        self._task = task
        self._way = way
        self._means = means
        self._left = means.max_attempts
        self._failure: UpstreamFailed | None = None

    async def first_answer(self) -> T:
        while self._left and (step := self._way.next(self._now)):
            self._left -= 1
            if not (self._has_slot(step) or await self._gets_slot(step)):
                self._way.missed(step)
                continue
            after = None if self._failure else self._hedge_after(step)
            try:
                return await (self._one(step) if after is None else self._raced(step, after))
            except UpstreamFailed as failure:
                self._failure = failure
        raise self._failure or self._way.refusal(self._task.call.request.model, self._now)

    def _has_slot(self, step: Step) -> bool:
        """Take a slot of its upstream, if it is free and there is nothing to wait for."""
        upstream = step.upstream
        if step.wait_seconds or not upstream.slots.free or not upstream.lets_in(self._now):
            return False
        upstream.slots.take()
        return True

    async def _gets_slot(self, step: Step) -> bool:
        """Wait as the step wants, and then take a slot if its upstream still admits calls."""
        upstream = step.upstream
        if step.queued:
            if not await upstream.slots.wait(self._means.upstreams.limits.queue_seconds):
                return False
            if upstream.admits(self._now):
                return True
            upstream.slots.give_back()
            return False
        await self._means.clock.sleep(step.wait_seconds)
        return self._has_slot(replace(step, wait_seconds=0.0))

    async def _one(self, step: Step) -> T:
        """The answer of one upstream; no other is asked meanwhile."""
        visit, attempt = self._begin(step)
        return await self._answer(step, visit, attempt)

    async def _raced(self, step: Step, after_seconds: float) -> T:
        """The first answer of two upstreams, the second asked when the first takes too long."""
        tries, ended = [self._started(step)], None
        try:
            if not await self._ends_within(tries[0], after_seconds):
                second = self._second(step)
                tries += [] if second is None else [second]
            ended = await self._fastest(tries)
            return ended.answer.result()
        finally:
            # Not once there is an answer: a client that left meanwhile would leave it to nobody.
            for one in tries if ended is None else ():
                await self._abandon(one)

    def _second(self, step: Step) -> _Try[T] | None:
        other = self._way.beside(step, self._now) if self._left else None
        if other is None:
            return None
        if not self._has_slot(other):
            self._way.missed(other)
            return None
        self._left -= 1
        UPSTREAM_HEDGES.labels(*other.upstream.id.labels).inc()
        return self._started(other, hedged=True)

    async def _fastest(self, tries: list[_Try[T]]) -> _Try[T]:
        """The first that answers, and the others are given up; the last that failed when none does."""
        waiting = list(tries)
        while True:
            await asyncio.wait([one.answer for one in waiting], return_when=_FIRST)
            ended = next(one for one in waiting if one.answer.done())
            waiting.remove(ended)
            if not waiting or not isinstance(ended.answer.exception(), UpstreamFailed):
                for loser in waiting:
                    await self._give_up(loser)
                return ended

    async def _give_up(self, loser: _Try[T]) -> None:
        """End a try whose answer is not needed any more. What it cost until now nobody will tell."""
        await self._abandon(loser)
        now = self._means.clock.now()
        self._task.trail.close(loser.attempt, now, Status.CANCELLED, error_type=HEDGE_LOST)

    async def _abandon(self, one: _Try[T]) -> None:
        """End a try and its visit, which a task that is cancelled before its first step would never do."""
        one.answer.cancel()
        await asyncio.gather(one.answer, return_exceptions=True)
        await one.visit.leave()

    def _started(self, step: Step, *, hedged: bool = False) -> _Try[T]:
        visit, attempt = self._begin(step, hedged=hedged)
        return _Try(visit, attempt, asyncio.create_task(self._answer(step, visit, attempt)))

    async def _ends_within(self, one: _Try[T], seconds: float) -> bool:
        timer = asyncio.ensure_future(self._means.clock.sleep(seconds))
        try:
            await asyncio.wait([one.answer, timer], return_when=_FIRST)
        finally:
            timer.cancel()
        return one.answer.done()

    def _begin(self, step: Step, *, hedged: bool = False) -> tuple[Visit, Attempt]:
        upstream, clock = step.upstream, self._means.clock
        if step.repeated and not hedged:
            UPSTREAM_RETRIES.labels(*upstream.id.labels).inc()
        elif not hedged:
            upstream.budget.called(self._now)
        visit = Visit(upstream, clock, streaming=self._task.call.request.streaming)
        attempt = self._task.trail.start(
            step.pool.route, clock.now(), key=upstream.id.key, hedged=hedged
        )
        return visit, attempt

    async def _answer(self, step: Step, visit: Visit, attempt: Attempt) -> T:
        task, route = self._task, step.pool.route
        call = task.call
        ask = Ask(
            call.request,
            route.model,
            continued_trace(call.context),
            key=step.upstream.key.place,
        )
        with visit:
            try:
                provider = self._means.find(route, call.request.kind)
                return await task.how(Watched(provider, visit, task.until), ask)
            except UpstreamFailed as failure:
                self._note(step, attempt, failure)
                raise

    def _note(self, step: Step, attempt: Attempt, failure: UpstreamFailed) -> None:
        """A try failed: record it, and choose by it what is tried next."""
        wall = self._means.clock.now()
        self._task.trail.close(
            attempt,
            wall,
            Status.ERROR,
            http_status=failure.upstream_status,
            error_type=failure.error_type,
            cost_usd=Decimal(0) if cost_free(failure) else None,
        )
        self._way.failed(step, failure, self._now, wall)

    def _hedge_after(self, step: Step) -> float | None:
        return hedge_after_seconds(self._task.routing, self._task.call.request, step.upstream)

    @property
    def _now(self) -> float:
        return self._means.clock.monotonic()


_FIRST = asyncio.FIRST_COMPLETED
