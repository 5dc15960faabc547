"""The life of a call: gate, routes, open, ask, account, close, and only then the client's answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from services.serving.client import Client, ClientLeft
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
from services.serving.domain.context import continued_trace
from services.serving.domain.failure import UpstreamFailed, malformed
from services.serving.domain.gate import Entry, Gate, no_such_model
from services.serving.domain.request import Kind
from services.serving.domain.route import plan
from services.serving.domain.trail import Trail
from services.serving.providers.catalogue import Catalogue
from services.serving.providers.port import Ask, Provider, Reply, Stream
from services.serving.replies import error_event, stream_end, stream_headers
from shared.clock import Clock
from shared.errors import Invalid, LeewayError, Unavailable
from shared.interactions import Interaction
from shared.live import LiveView, Route

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer that is accounted for, and its cost when it can be told exactly."""

    reply: Reply
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream whose first batch has come."""

    stream: Stream
    first: Sequence[Event]


class Calls:
    """Serves calls, each once: an upstream is asked only when the call is open in the journal, and the
    client has its whole answer only when the interaction is stored."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        catalogue: Catalogue,
        pricer: Pricer,
        *,
        live: LiveView,
        clock: Clock,
        max_attempts: int,
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._catalogue = catalogue
        self._pricer = pricer
        self._live = live
        self._clock = clock
        self._max_attempts = max_attempts

    async def begin(self, entry: Entry) -> Call:
        """A call that may be served and is open. Raises what refuses it: nothing was asked then."""
        started_at = self._clock.now()
        entry = await self._gate.admit(entry)
        call = Call(
            interaction_id=entry.interaction_id,
            caller=entry.caller,
            request=entry.request,
            context=entry.context,
            routes=self._routes(entry),
            started_at=started_at,
        )
        await self._journal.begin(call)
        return call

    async def complete(self, call: Call, client: Client) -> Answered:
        """The whole answer. Raises why there is none; either way the call is accounted for."""
        trail, account = Trail(), Account()
        ask = _embedding if call.request.kind is Kind.EMBEDDING else _completion
        failure: BaseException | None = None
        try:
            async with client.watched():
                reply = await self._ask(call, trail, ask)
            account.take(reply.tree, reply.usage)
        except _ENDINGS as fault:
            failure = fault
        interaction = await self._settle(call, trail, account, failure)
        if failure is not None:
            raise failure
        return Answered(reply, self._pricer.price(interaction))

    async def relay(self, call: Call, client: Client) -> None:
        """Send the answer on as it comes. Raises why there is none, as long as none of it was sent."""
        trail, account = Trail(), Account(wants_usage=call.request.wants_usage)
        failure: BaseException | None = None
        try:
            async with client.watched():
                await self._pass_on(call, client, trail, account)
        except _ENDINGS as fault:
            failure = fault
        try:
            interaction = await self._settle(call, trail, account, failure)
        except Unavailable as full:
            failure = failure or full
        if failure is None:
            await client.finish(stream_end(self._pricer.price(interaction)))
        elif account.began and isinstance(failure, LeewayError):
            await client.finish(error_event(failure))
        else:
            raise failure

    async def _pass_on(self, call: Call, client: Client, trail: Trail, account: Account) -> None:
        begun = await self._ask(call, trail, _first_batch)
        async with aclosing(begun.stream):
            account.began = True
            await client.begin(200, stream_headers(call.interaction_id))
            await self._send(begun.first, account, client)
            async for events in begun.stream:
                await self._send(events, account, client)

    async def _send(self, events: Sequence[Event], account: Account, client: Client) -> None:
        data = account.fold(events, self._clock.now())
        if data:
            await client.write(data)

    async def _ask(
        self, call: Call, trail: Trail, how: Callable[[Provider, Ask], Awaitable[T]]
    ) -> T:
        """The first answer that a route gives. Raises the last route's failure when none does."""
        traceparent = continued_trace(call.context)
        waiting, repeated = list(call.routes), False
        for _ in range(self._max_attempts):
            route = waiting.pop(0)
            trail.start(route, self._clock.now())
            try:
                provider = self._catalogue.provider(route.provider)
                return await how(provider, Ask(call.request, route.model, traceparent))
            except UpstreamFailed as failure:
                trail.end(
                    self._clock.now(), Status.ERROR, failure.upstream_status, failure.error_type
                )
                last = failure
            if last.dropped and not repeated:
                waiting.insert(0, route)
                repeated = True
            if not last.elsewhere or not waiting:
                break
        raise last

    async def _settle(
        self, call: Call, trail: Trail, account: Account, failure: BaseException | None
    ) -> Interaction:
        """Store what the call came to. Raises `Unavailable`."""
        now = self._clock.now()
        status, fault = _verdict(failure, began=account.began)
        trail.end(now, status, 200 if account.began or failure is None else 0, fault.error_type)
        ending = Ending(
            status=status,
            ended_at=now,
            attempts=trail.made,
            answer=account.answer,
            usage=account.usage,
            first_token_at=account.first_token_at,
            fault=fault,
        )
        interaction = interaction_of(call, ending)
        await self._journal.end(call, interaction)
        return interaction

    def _routes(self, entry: Entry) -> Sequence[Route]:
        """The routes to try. A provider that is not there is kept, so that its absence is told."""
        model = self._live.models.get(entry.request.model)
        if model is None:
            raise no_such_model(entry.request.model)
        session = entry.context.session_id
        seed = f"{entry.caller.tenant}/{session}" if session else entry.interaction_id
        planned = plan(model, self._live.models, seed)
        able = [route for route in planned if self._answers(route, entry.request.kind)]
        if planned and not able:
            raise Invalid(
                f"The model {model.name!r} cannot answer a request of kind {entry.request.kind}.",
                param="model",
                code="unsupported_operation",
            )
        if not able:
            raise Unavailable(f"The model {model.name!r} has no route that takes calls now.")
        return able

    def _answers(self, route: Route, kind: Kind) -> bool:
        try:
            return kind in self._catalogue.provider(route.provider).kinds
        except UpstreamFailed:
            return True


async def _completion(provider: Provider, ask: Ask) -> Reply:
    return await provider.complete(ask)


async def _embedding(provider: Provider, ask: Ask) -> Reply:
    return await provider.embed(ask)


async def _first_batch(provider: Provider, ask: Ask) -> _Begun:
    stream = provider.stream(ask)
    async for events in stream:
        return _Begun(stream, events)
    raise malformed(ask.model, "ended a stream that had not begun")


def _verdict(failure: BaseException | None, *, began: bool) -> tuple[Status, Fault]:
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
_ENDINGS = (UpstreamFailed, Invalid, ClientLeft, asyncio.CancelledError)
