"""Routes to providers that do as they are told, on a clock that stands still: what routing is tested with."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.serving.asking import Asker
from services.serving.domain.account import Event
from services.serving.domain.body import Body
from services.serving.domain.call import Call
from services.serving.domain.failure import UpstreamFailed, refused
from services.serving.domain.gate import Entry
from services.serving.domain.request import Kind, Request
from services.serving.domain.trail import Trail
from services.serving.providers.port import Ask, Provider, Reply, Stream
from services.serving.routing.estimate import Estimate
from services.serving.routing.planner import Planner
from services.serving.routing.upstream import RoutingLimits
from services.serving.routing.upstreams import Upstreams
from shared.clock import SimulatedClock
from shared.errors import LeewayError
from shared.interactions import Content, Context
from shared.live import LiveView, Model, Route
from shared.live import Provider as ProviderEntry
from shared.policy import Policy, Routing
from tests.builders import INTERACTION_ID, NOW, a_caller

ANSWER = Reply(b"{}", {"choices": [{}]}, None)


def failing(status: int, body: bytes = b"", **headers: str) -> UpstreamFailed:
    """An upstream's refusal; headers as `retry_after="1"`."""
    return refused("it", status, body, {name.replace("_", "-"): v for name, v in headers.items()})


@dataclass(frozen=True)
class Later:
    """A failure after some seconds of the clock."""

    seconds: float
    failure: LeewayError


@dataclass
class Scripted:
    """A provider that does one thing after another, and answers when nothing more is written.

    Each is a failure to raise, an event to wait for before it answers, or seconds of the clock to take.
    """

    clock: SimulatedClock
    script: list[LeewayError | asyncio.Event | float | Later] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    cancelled: int = 0
    kinds: frozenset[Kind] = frozenset(Kind)

    async def complete(self, ask: Ask) -> Reply:
        self.asked.append(ask)
        await self._act()
        return ANSWER

    async def embed(self, ask: Ask) -> Reply:
        return await self.complete(ask)

    async def stream(self, ask: Ask) -> Stream:
        self.asked.append(ask)
        await self._act()
        yield [Event(b"data: 1\n\n", {"choices": []})]
        await self._act()
        yield [Event(b"data: [DONE]\n\n", final=True)]

    async def _act(self) -> None:
        match self.script.pop(0) if self.script else None:
            case LeewayError() as failure:
                raise failure
            case Later(seconds, failure):
                await self._uncancelled(self.clock.sleep(seconds))
                raise failure
            case asyncio.Event() as event:
                await self._uncancelled(event.wait())
            case float() as seconds:
                await self._uncancelled(self.clock.sleep(seconds))

    async def _uncancelled(self, wait: Awaitable[object]) -> None:
        try:
            await wait
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass
class House:
    """Models, their providers, and what asks them."""

    models: Sequence[Model]
    entries: Mapping[str, ProviderEntry] = field(default_factory=dict)
    limits: RoutingLimits = field(default_factory=RoutingLimits)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    missing: Mapping[str, UpstreamFailed] = field(default_factory=dict)
    max_attempts: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.live = LiveView(b"pepper")
        self.live.models |= {model.name: model for model in self.models}
        led_to = {route.provider for model in self.models for route in model.routes}
        self.live.providers |= {name: ProviderEntry(name, "openai") for name in led_to}
        self.live.providers |= self.entries
        self.providers = {name: Scripted(self.clock) for name in self.live.providers}
        self.upstreams = Upstreams(self.live, self.secret, self.clock, self.limits)
        self.planner = Planner(self.live, self.upstreams, self.answers, self, self.clock)
        self.asker = Asker(
            self.live,
            self.upstreams,
            self.find,
            self.clock,
            max_attempts=self.max_attempts,
            draw=random.Random(self.seed),
        )
        self.trail = Trail()

    def secret(self, reference: str) -> str:
        return reference.strip("${}").lower()

    def answers(self, route: Route, kind: Kind) -> bool:
        return kind in self.providers[route.provider].kinds

    def find(self, route: Route, kind: Kind) -> Provider:
        if route.provider in self.missing:
            raise self.missing[route.provider]
        return self.providers[route.provider]

    def quote(self, route: Route, tokens: Estimate, at: Any) -> Decimal | None:
        return self.prices.get(route.model)

    def call(self, entry: Entry | None = None) -> Call:
        """The call of an entry, planned as it is now."""
        entry = entry or an_entry()
        return Call(
            interaction_id=entry.interaction_id,
            caller=entry.caller,
            request=entry.request,
            context=entry.context,
            routes=self.planner.plan(entry),
            started_at=self.clock.now(),
            asked=Content(),
            timeout_seconds=entry.timeout_seconds,
        )

    async def ask(self, entry: Entry | None = None) -> Reply:
        """The answer to a call, whole; `trail` has its attempts."""
        self.trail = Trail()
        return await self.asker.ask(self.call(entry), self.trail, whole)

    async def ask_quietly(self) -> None:
        """Ask, and take a failure for an answer."""
        with suppress(UpstreamFailed):
            await self.ask()

    async def begin(self, entry: Entry) -> Stream:
        """A stream of which the first batch has been read."""
        self.trail = Trail()
        return await self.asker.ask(self.call(entry), self.trail, begun)

    async def passing(self, call: "asyncio.Task[Any]", *, step: float = 0.05) -> None:
        """Let the clock run until a call has ended."""
        while not call.done():
            for _ in range(10):
                await asyncio.sleep(0)
            self.clock.advance(step)

    @property
    def tried(self) -> list[tuple[str, str]]:
        """The attempts that have ended: provider and status."""
        return [(attempt.provider, attempt.status) for attempt in self.trail.made]


def in_order(*routes: Route, **more: object) -> House:
    """A model whose routes are tried as they are written."""
    given = {name: more.pop(name) for name in ("entries", "limits", "max_attempts") if name in more}
    routing = Routing(strategy="priority", **more)  # type: ignore[arg-type]
    model = Model("m", routes, policy=Policy(routing=routing))
    return House([model], **given)  # type: ignore[arg-type]


async def whole(provider: Provider, ask: Ask) -> Reply:
    return await provider.complete(ask)


async def begun(provider: Provider, ask: Ask) -> Stream:
    stream = provider.stream(ask)
    await anext(stream)
    return stream


async def read_out(stream: AsyncIterator[Sequence[Event]]) -> list[Event]:
    return [event async for events in stream for event in events]


def an_entry(
    *,
    model: str = "m",
    session: str = "",
    tenant: str = "acme",
    tags: Mapping[str, str] | None = None,
    call: str = INTERACTION_ID,
    streaming: bool = False,
    timeout_seconds: float | None = None,
    **fields: Any,
) -> Entry:
    """A chat at the gate; `fields` are more of its body."""
    tree = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    return Entry(
        interaction_id=call,
        caller=a_caller(tenant=tenant),
        request=Request(Kind.CHAT, model, Body(tree, {}), {}, streaming=streaming),
        context=Context(session_id=session, tags=tags or {}),
        timeout_seconds=timeout_seconds,
    )
