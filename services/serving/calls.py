"""The life of a call: gate, cache, routes, open, ask, account, close, and only then the client's answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from services.serving.asking import Asker
from services.serving.cache.answers import AnswerCache, Look
from services.serving.cache.replay import Recording, parts_of
from services.serving.client import Client, ClientLeft
from services.serving.domain.account import Account, Event
from services.serving.domain.call import (
    Call,
    Ending,
    Fault,
    Journal,
    Pricer,
    Status,
    asked_of,
    interaction_of,
)
from services.serving.domain.failure import UpstreamFailed, malformed
from services.serving.domain.gate import End, Entry, Gate, settle
from services.serving.domain.request import Kind, Request
from services.serving.domain.trail import Trail
from services.serving.domain.usage import summed
from services.serving.domain.verdict import Blocked, Verdict
from services.serving.guards.answers import whole
from services.serving.guards.rails import Switchyard
from services.serving.guards.stream import StreamFilter, filtered
from services.serving.outgoing import Outgoing
from services.serving.protocols.dialect import dialect_of, ending
from services.serving.providers.port import Ask, Provider, Reply, Stream
from services.serving.replies import stream_headers
from services.serving.routing.planner import Planner
from shared.clock import Clock
from shared.errors import Invalid, LeewayError, Unavailable
from shared.interactions import Interaction, Usage
from shared.live import Route

_BEFORE_ITS_TIME = "ended a stream that had not begun"


@dataclass(frozen=True, slots=True)
class Begun:
    """A call that may be answered, and what the cache has for it. It is open in the journal unless it has all."""

    call: Call
    look: Look


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer that is accounted for, and its cost when it can be told exactly."""

    reply: Reply
    cost_usd: Decimal | None


@dataclass(slots=True)
class _Work:
    """What is known of a call while it is answered."""

    begun: Begun
    trail: Trail = field(default_factory=Trail)
    account: Account = field(default_factory=Account)
    usage: Usage | None = None  # of every whole answer that was given
    verdicts: tuple[Verdict, ...] = ()  # of what was answered

    @property
    def call(self) -> Call:
        return self.begun.call

    @property
    def look(self) -> Look:
        return self.begun.look


class _Repair:
    """One more question to the route that answered; satisfies `Repair`."""

    def __init__(self, asker: Asker, work: _Work, clock: Clock) -> None:
        self._asker = asker
        self._work = work
        self._clock = clock

    async def again(self, request: Request) -> Reply:
        """Its answer, whose usage is the call's as well. Raises `UpstreamFailed`."""
        trail, call = self._work.trail, self._work.call
        route = trail.answering
        trail.end(self._clock.now(), Status.OK, 200)
        routes = call.routes if route is None else (route,)
        return await self._asker.ask(
            replace(call, request=request, routes=routes), trail, _completion
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    """A stream whose first events have come: nothing of it was sent yet."""

    first: Sequence[Event]
    stream: Stream


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a stream's client is told nothing before it hears a sign of life."""

    quiet_seconds: float = 15.0


class Calls:
    """Serves calls: each is open in the journal while an upstream is asked, and stored before it is answered."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        planner: Planner,
        asker: Asker,
        cache: AnswerCache,
        guards: Switchyard,
        pricer: Pricer,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._planner = planner
        self._asker = asker
        self._cache = cache
        self._guards = guards
        self._pricer = pricer
        self._clock = clock
        self._limits = limits

    async def begin(self, entry: Entry, cache_control: str = "") -> Begun:
        """A call that may be answered. Raises what refuses it: nothing was asked then, and nothing is held."""
        started_at = self._clock.now()
        try:
            admitted = await self._gate.admit(entry)
        except Blocked as blocked:
            await self._record_refusal(call_of(entry, started_at), blocked)
            raise
        begun = False
        try:
            call = call_of(admitted, started_at, self._planner.plan(admitted))
            look = await self._cache.look(call.caller, call.request, call.context, cache_control)
            if look.hit is None:
                await self._journal.begin(call)
            begun = True
        finally:
            if not begun:
                await settle(admitted.holds, End(None))
        return Begun(call, look)

    async def complete(self, begun: Begun, client: Client) -> Answered:
        """The whole answer. Raises why there is none; either way the call is accounted for."""
        work = _Work(begun)
        failure: BaseException | None = None
        try:
            async with client.watched():
                reply = await self._judged(work, await self._reply(work))
            work.account.take(reply.tree, work.usage)
        except ENDINGS as fault:
            failure = fault
        cost = await self._settle(work, failure)
        if failure is not None:
            raise failure
        await self._cache.keep(
            work.look, parts_of(reply, work.call.request.kind), work.account.answer, cost
        )
        return Answered(reply, cost)

    async def relay(self, begun: Begun, client: Client) -> None:
        """Send the answer on as it comes. Raises why there is none, as long as none of it was sent."""
        work = _Work(begun)
        call, dialect = begun.call, dialect_of(begun.call.request.kind)
        failure: BaseException | None = None
        recording = Recording(call.request.kind, self._cache.max_answer_bytes)
        headers = stream_headers(call, begun.look)
        async with Outgoing(client, headers, dialect.keep_alive, self._limits.quiet_seconds) as out:
            try:
                async with client.watched():
                    await self._pass_on(work, out, recording)
            except ENDINGS as fault:
                failure = fault
        try:
            cost = await self._settle(work, failure)
        except Unavailable as full:
            failure = failure or full
        if failure is None:
            await self._cache.keep(work.look, recording.parts, work.account.answer, cost)
            await client.finish(ending(work.account.final, cost))
        elif out.begun and isinstance(failure, LeewayError):
            last = work.account.last
            event = dialect.error_event(failure, call.interaction_id, after=last)
            await client.break_off(event)
        else:
            raise failure

    async def _reply(self, work: _Work) -> Reply:
        if work.look.hit is not None:
            return work.look.hit.reply()
        how = _embedding if work.call.request.kind is Kind.EMBEDDING else _completion
        return await self._asker.ask(work.call, work.trail, how)

    async def _judged(self, work: _Work, reply: Reply) -> Reply:
        """The answer as guards let it be sent; they may have it asked for once more."""
        call = work.call
        rails = self._guards.path(call.caller, call.request.model).answered
        if not rails:
            work.usage = reply.usage
            return reply
        repair = None if work.look.hit is not None else _Repair(self._asker, work, self._clock)
        judged = await whole(call.request, reply, rails, repair)
        work.verdicts = tuple(judged.verdicts)
        for each in judged.replies:
            work.usage = summed(work.usage, each.usage)
        return judged.reply

    async def _pass_on(self, work: _Work, out: Outgoing, recording: Recording) -> None:
        call = work.call
        rails = self._guards.path(call.caller, call.request.model).answered
        through = StreamFilter(call.request, rails) if rails else None
        async with self._events(work, through) as batches:
            async for events in batches:
                work.account.began = True
                recording.take(events)
                data = work.account.fold(events, self._clock.now())
                if data or not out.begun:
                    await out.write(data)

    @asynccontextmanager
    async def _events(self, work: _Work, through: StreamFilter | None) -> AsyncIterator[Stream]:
        """The events of the answer, as guards let them through; once there are some, it has begun."""
        if work.look.hit is not None:
            stream = work.look.hit.stream()
        else:
            stream = _all(await self._asker.ask(work.call, work.trail, _first_batch))
        if through is None:
            async with aclosing(stream):
                yield stream
            return
        try:
            async with aclosing(filtered(stream, through)) as passed:
                yield passed
        finally:
            work.verdicts = tuple(through.verdicts)

    async def _settle(self, work: _Work, failure: BaseException | None) -> Decimal | None:
        """Store what the call came to; what it cost. Raises `Unavailable`."""
        call, account, hit = work.call, work.account, work.look.hit
        now = self._clock.now()
        status, fault = verdict_of(failure, began=account.began)
        work.trail.end(
            now, status, 200 if account.began or failure is None else 0, fault.error_type
        )
        told = Ending(
            status=status,
            ended_at=now,
            attempts=work.trail.made,
            answer=account.answer,
            usage=account.usage,
            first_token_at=account.first_token_at,
            fault=fault,
            cache=hit.how if hit is not None else "",
            cache_saved_usd=hit.saved_usd if hit is not None else None,
        )
        verdicts = failure.verdicts if isinstance(failure, Blocked) else work.verdicts
        return await self._store(call, interaction_of(call, told), (*call.verdicts, *verdicts))

    async def _store(
        self, call: Call, interaction: Interaction, verdicts: Sequence[Verdict]
    ) -> Decimal | None:
        cost = self._pricer.price(interaction)
        interaction = with_cost(interaction, cost)
        try:
            await self._journal.end(call, interaction, verdicts)
        finally:
            await settle(call.holds, End(interaction, cost))
        return cost

    async def _record_refusal(self, call: Call, blocked: Blocked) -> None:
        """A call that a guard refused is recorded with what the guard said; no upstream was asked."""
        fault = Fault(blocked.code, blocked.message, blocked.status)
        refused = Ending(Status.ERROR, self._clock.now(), fault=fault)
        await self._journal.end(call, interaction_of(call, refused), blocked.verdicts)


def call_of(entry: Entry, started_at: datetime, routes: Sequence[Route] = ()) -> Call:
    """The call of an entry that may be answered."""
    return Call(
        interaction_id=entry.interaction_id,
        caller=entry.caller,
        request=entry.request,
        context=entry.context,
        routes=routes,
        started_at=started_at,
        asked=asked_of(entry.request),
        timeout_seconds=entry.timeout_seconds,
        holds=entry.holds,
        headers=entry.headers,
        verdicts=entry.verdicts,
    )


async def _completion(provider: Provider, ask: Ask) -> Reply:
    return await provider.complete(ask)


async def _embedding(provider: Provider, ask: Ask) -> Reply:
    return await provider.embed(ask)


async def _first_batch(provider: Provider, ask: Ask) -> _Opened:
    stream = provider.stream(ask)
    async for events in stream:
        return _Opened(events, stream)
    raise malformed(ask.model, _BEFORE_ITS_TIME)


async def _all(opened: _Opened) -> Stream:
    async with aclosing(opened.stream):
        yield opened.first
        async for events in opened.stream:
            yield events


def with_cost(interaction: Interaction, cost: Decimal | None) -> Interaction:
    """The interaction whose last attempt, which answered it, is told to have cost what the call did."""
    if cost is None or not interaction.attempts:
        return interaction
    *others, last = interaction.attempts
    if last.cost_usd is not None:
        return interaction
    return replace(interaction, attempts=(*others, replace(last, cost_usd=cost)))


def verdict_of(failure: BaseException | None, *, began: bool) -> tuple[Status, Fault]:
    """How a call ended, by what ended it."""
    match failure:
        case None:
            return Status.OK, Fault("", "", 200)
        case ClientLeft():
            return Status.CANCELLED, Fault("client_left", "The client left.", 200 if began else 0)
        case UpstreamFailed() | Invalid():
            status = Status.INTERRUPTED if began else Status.ERROR
            shown = 200 if began else failure.status
            return status, _fault(failure, shown)
        case _:
            return Status.INTERRUPTED, Fault(
                "shutdown", "The gateway stopped.", 200 if began else 0
            )


def _fault(failure: UpstreamFailed | Invalid, shown: int) -> Fault:
    """What is recorded of a failure: what the upstream said of it, else what we say."""
    if not isinstance(failure, UpstreamFailed):
        return Fault(failure.code, failure.message, shown)
    return Fault(failure.error_type, failure.said.message or failure.message, shown)


# What ends a call before its answer is whole: nothing else is expected of an upstream or a client.
ENDINGS = (UpstreamFailed, Invalid, ClientLeft, asyncio.CancelledError)
