"""The life of a call that passes through: gate, routes, open, ask, close, and only then the end of its answer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from services.serving.asking import Asker
from services.serving.calls import ENDINGS, call_of, verdict_of, with_cost
from services.serving.client import Client
from services.serving.domain.account import Account, Event
from services.serving.domain.call import (
    Call,
    Ending,
    Fault,
    Journal,
    Pricer,
    Status,
    interaction_of,
)
from services.serving.domain.failure import malformed
from services.serving.domain.gate import End, Entry, Gate, settle
from services.serving.domain.passage import Passage, Shape
from services.serving.domain.request import Kind
from services.serving.domain.trail import Trail
from services.serving.domain.verdict import Blocked, Verdict
from services.serving.guards.answers import whole
from services.serving.guards.rails import Switchyard
from services.serving.outgoing import Outgoing
from services.serving.protocols.dialect import dialect_of, ending
from services.serving.providers.openai.passing import Head
from services.serving.providers.port import Ask, Provider, Reply, Stream
from services.serving.replies import passed_headers
from services.serving.routing.planner import Planner
from shared.clock import Clock
from shared.errors import Invalid, LeewayError, Unavailable


@dataclass(slots=True)
class _Work:
    """What is known of a call while it is answered."""

    call: Call
    trail: Trail = field(default_factory=Trail)
    account: Account = field(default_factory=Account)
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class _Opened:
    """An answer that has begun."""

    first: Sequence[Event]
    stream: Stream


class PassedCalls:
    """Serves calls that pass through, by the same gate, routes, journal and prices as every other call."""

    def __init__(
        self,
        gate: Gate,
        planner: Planner,
        asker: Asker,
        guards: Switchyard,
        journal: Journal,
        pricer: Pricer,
        clock: Clock,
        *,
        quiet_seconds: float,
    ) -> None:
        self._gate = gate
        self._planner = planner
        self._asker = asker
        self._guards = guards
        self._journal = journal
        self._pricer = pricer
        self._clock = clock
        self._quiet_seconds = quiet_seconds

    async def begin(self, entry: Entry) -> Call:
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
            self._refuse_unguarded(call)
            await self._journal.begin(call)
            begun = True
        finally:
            if not begun:
                await settle(admitted.holds, End(None))
        return call

    async def answer(self, call: Call, client: Client) -> None:
        """Send the answer on. Raises why there is none, as long as none of it was sent."""
        match _passage(call).shape:
            case Shape.JSON:
                await self._complete(_Work(call), client)
            case Shape.EVENTS:
                await self._relay_events(_Work(call), client)
            case Shape.BYTES:
                await self._relay_bytes(_Work(call), client)

    async def _complete(self, work: _Work, client: Client) -> None:
        """One JSON object, which is whole before any of it is sent."""
        failure: BaseException | None = None
        try:
            async with client.watched():
                asked = await self._asker.ask(work.call, work.trail, _whole)
                work.account.usage = asked.usage
                reply = await self._judged(work, asked)
            work.account.take(reply.tree, reply.usage)
        except ENDINGS as fault:
            failure = fault
        cost = await self._settle(work, failure)
        if failure is not None:
            raise failure
        await client.answer(200, passed_headers(_JSON, work.call, cost), reply.body)

    async def _judged(self, work: _Work, reply: Reply) -> Reply:
        """What guards make of a text that was heard; a blocked one is an error, for its protocol has no other word."""
        call = work.call
        rails = self._guards.path(call.caller, call.request.model).answered
        if not rails or call.request.kind is not Kind.AUDIO:
            return reply
        judged = await whole(call.request, reply, rails)
        work.verdicts = tuple(judged.verdicts)
        if judged.blocked:
            raise Blocked(judged.verdicts)
        return judged.reply

    async def _relay_events(self, work: _Work, client: Client) -> None:
        call, dialect = work.call, dialect_of(work.call.request.kind)
        failure: BaseException | None = None
        headers = passed_headers(_EVENTS, call)
        async with Outgoing(client, headers, dialect.keep_alive, self._quiet_seconds) as out:
            try:
                async with client.watched(), self._answer(work) as batches:
                    async for events in batches:
                        data = work.account.fold(events, self._clock.now())
                        if data or not out.begun:
                            await out.write(data)
            except ENDINGS as fault:
                failure = fault
        cost, failure = await self._settled(work, failure)
        if failure is None:
            await client.finish(ending(work.account.final, cost))
        elif out.begun and isinstance(failure, LeewayError):
            await client.break_off(dialect.error_event(failure, call.interaction_id))
        else:
            raise failure

    async def _relay_bytes(self, work: _Work, client: Client) -> None:
        """Bytes of any type. What breaks off is left without its end: the client's connection is closed."""
        began = False
        failure: BaseException | None = None
        try:
            async with client.watched(), self._answer(work) as batches:
                async for events in batches:
                    data = work.account.fold(events, self._clock.now())
                    if not began:
                        began = True
                        await client.begin(200, passed_headers(_media_type(events), work.call))
                    if data:
                        await client.write(data)
        except ENDINGS as fault:
            failure = fault
        _, failure = await self._settled(work, failure)
        if failure is None:
            await client.finish(work.account.final)
        elif not (began and isinstance(failure, LeewayError)):
            raise failure

    @asynccontextmanager
    async def _answer(self, work: _Work) -> AsyncIterator[Stream]:
        """The events of the answer; once there are some, it has begun."""
        stream = _all(await self._asker.ask(work.call, work.trail, _first_batch))
        work.account.began = True
        async with aclosing(stream):
            yield stream

    async def _settled(
        self, work: _Work, failure: BaseException | None
    ) -> tuple[Decimal | None, BaseException | None]:
        """What a stream cost, and what it failed with: of what cannot be stored, with that."""
        try:
            return await self._settle(work, failure), failure
        except Unavailable as full:
            return None, failure or full

    async def _settle(self, work: _Work, failure: BaseException | None) -> Decimal | None:
        """Store what the call came to; what it cost. Raises `Unavailable`."""
        call, account, now = work.call, work.account, self._clock.now()
        status, fault = verdict_of(failure, began=account.began)
        seen = 200 if account.began or failure is None else 0
        work.trail.end(now, status, seen, fault.error_type)
        told = Ending(
            status=status,
            ended_at=now,
            attempts=work.trail.made,
            answer=account.answer,
            usage=account.usage,
            first_token_at=account.first_token_at,
            fault=fault,
        )
        verdicts = failure.verdicts if isinstance(failure, Blocked) else work.verdicts
        interaction = interaction_of(call, told)
        cost = self._pricer.price(interaction)
        try:
            await self._journal.end(call, with_cost(interaction, cost), (*call.verdicts, *verdicts))
        finally:
            await settle(call.holds, End(interaction, cost))
        return cost

    async def _record_refusal(self, call: Call, blocked: Blocked) -> None:
        """A call that a guard refused is recorded with what the guard said; no upstream was asked."""
        fault = Fault(blocked.code, blocked.message, blocked.status)
        refused = Ending(Status.ERROR, self._clock.now(), fault=fault)
        await self._journal.end(call, interaction_of(call, refused), blocked.verdicts)

    def _refuse_unguarded(self, call: Call) -> None:
        """A text that is heard bit by bit, or as no JSON, cannot be looked at: who has guards on answers asks for JSON."""
        rails = self._guards.path(call.caller, call.request.model).answered
        passage = _passage(call)
        if rails and passage.path in _HEARD and passage.shape is not Shape.JSON:
            raise Invalid(
                "The guardrails of this call look at its answer: ask for it whole, as JSON.",
                param="response_format",
                code="unsupported_operation",
            )


def _passage(call: Call) -> Passage:
    passage = call.request.passage
    assert passage is not None, "only what passes through is served here"
    return passage


def _media_type(events: Sequence[Event]) -> str:
    head = events[0]
    return head.media_type if isinstance(head, Head) else "application/octet-stream"


async def _whole(provider: Provider, ask: Ask) -> Reply:
    return await provider.complete(ask)


async def _first_batch(provider: Provider, ask: Ask) -> _Opened:
    stream = provider.stream(ask)
    async for events in stream:
        return _Opened(events, stream)
    raise malformed(ask.model, "ended an answer that had not begun")


async def _all(opened: _Opened) -> Stream:
    async with aclosing(opened.stream):
        yield opened.first
        async for events in opened.stream:
            yield events


_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"
_HEARD = frozenset(("/audio/transcriptions", "/audio/translations"))
