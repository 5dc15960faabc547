"""Serving, composed in the order that a call flows."""

import random

from services.serving.api import CALLS, SCOPE, Door, DoorLimits, routes
from services.serving.asking import Asker
from services.serving.cache.answers import AnswerCache
from services.serving.cache.local import LocalCache
from services.serving.cache.meaning import Meaning
from services.serving.cache.valkey import ValkeyCache
from services.serving.calls import CallLimits, Calls
from services.serving.ceiling import DearestRoute
from services.serving.domain.budget import AlwaysSufficient, BudgetHeld
from services.serving.domain.gate import Check, EnvironmentKnown, Gate, ScopeHeld
from services.serving.guards.admission import InputGuards
from services.serving.guards.bounds import CostBounded, ModelAllowed, OutputBounded
from services.serving.guards.catalogue import Catalogue as GuardCatalogue
from services.serving.guards.rails import Switchyard
from services.serving.idempotency.claims import Idempotency, IdempotencyLimits
from services.serving.inflight import InFlight
from services.serving.limits.check import LimitsHeld
from services.serving.limits.limiter import Limiter
from services.serving.limits.stops import NotStopped
from services.serving.passing.api import PassingDoor, passing_routes
from services.serving.passing.calls import PassedCalls
from services.serving.passing.finding import Passages
from services.serving.prices import BookPricer
from services.serving.prompts.check import PromptWritten
from services.serving.prompts.files import FilePrompts
from services.serving.prompts.port import NoPrompts
from services.serving.protocols.messages.counting import TokenCounts
from services.serving.providers.catalogue import ADDRESSES, Catalogue
from services.serving.providers.upstream import UpstreamHttp, UpstreamLimits
from services.serving.providers.warming import Warming
from services.serving.routing.planner import Planner
from services.serving.routing.quotes import BookQuoter
from services.serving.routing.rules import routing_limits
from services.serving.routing.upstreams import Upstreams
from services.serving.settings import Settings
from services.serving.state.opening import OpenState, state_at
from services.serving.state.valkey import ValkeyState
from services.serving.stream import OutboxJournal
from shared.embedding import OnFirstUse, WordLlamaEmbedder
from shared.lifecycle import App, Host
from shared.prices.seed import installed_book


def build(settings: Settings, host: Host) -> App:
    """The gateway: its routes, and the connections and calls that must end before the process does."""
    live, clock = host.live, host.clock
    book = installed_book(host.config)
    state = state_at(
        settings.state_url, host.data / "serving", clock, settings.state_timeout_seconds
    )
    limiter = Limiter(state, clock)
    prompts = None if settings.prompts is None else FilePrompts(settings.prompts, clock)
    embedder = OnFirstUse(WordLlamaEmbedder())
    meaning = Meaning(embedder)
    journal = OutboxJournal(host.outbox, live, clock)
    http = UpstreamHttp(_upstream_limits(settings), host.tracing)
    catalogue = Catalogue(live, http, clock, host.config.secret)
    upstreams = Upstreams(live, catalogue.resolved, clock, routing_limits(settings))
    quoter = BookQuoter(book)
    ceiling = DearestRoute(live, quoter, clock)
    guards = Switchyard(live, GuardCatalogue(embedder))
    checks: list[Check] = [
        ScopeHeld(SCOPE),
        EnvironmentKnown(live),
        PromptWritten(prompts or NoPrompts(), dict(CALLS.values())),
        ModelAllowed(live),
        NotStopped(live),
        OutputBounded(live),
        CostBounded(live, ceiling),
        LimitsHeld(live, limiter),
        BudgetHeld(AlwaysSufficient(), ceiling.of),
        InputGuards(guards),
    ]
    gate = Gate(checks)
    planner = Planner(live, upstreams, catalogue.answers, quoter, clock)
    draw = random.Random()  # noqa: S311 - it spreads load, and guards nothing
    attempts = settings.max_attempts
    calls = Calls(
        gate,
        journal,
        planner,
        Asker(live, upstreams, catalogue.answering, clock, max_attempts=attempts, draw=draw),
        _cache(settings, host, meaning, state),
        guards,
        BookPricer(book),
        clock,
        CallLimits(settings.quiet_seconds),
    )
    in_flight = InFlight(journal.recover)
    door = Door(
        calls,
        TokenCounts(gate, planner, catalogue.counting),
        Idempotency(state, clock, _idempotency_limits(settings)),
        in_flight,
        live,
        clock,
        DoorLimits(settings.max_body_bytes, settings.client_idle_seconds),
    )
    passages = Passages(catalogue.provider)
    passed = PassedCalls(
        gate,
        Planner(live, upstreams, passages.answers, quoter, clock),
        Asker(live, upstreams, passages.answering, clock, max_attempts=attempts, draw=draw),
        guards,
        journal,
        BookPricer(book),
        clock,
        quiet_seconds=settings.quiet_seconds,
    )
    passing = PassingDoor(door, passed, settings.max_form_bytes)
    return App(
        "serving",
        routes=[*routes(door), *passing_routes(passing)],
        resources=[http, state, limiter, *([prompts] if prompts else []), in_flight],
        tasks=[
            Warming(live, http, ADDRESSES).run,
            limiter.run,
            *([prompts.run] if prompts else []),
        ],
    )


def _cache(settings: Settings, host: Host, meaning: Meaning, state: OpenState) -> AnswerCache:
    questions = settings.cache_questions
    memory = LocalCache(host.clock, capacity_bytes=settings.cache_bytes, questions=questions)
    shared = (
        ValkeyCache(state.server, host.clock, questions=questions)
        if isinstance(state, ValkeyState)
        else memory
    )
    return AnswerCache(
        host.live,
        host.clock,
        meaning,
        memory,
        shared,
        max_answer_bytes=settings.cache_max_answer_bytes,
    )


def _idempotency_limits(settings: Settings) -> IdempotencyLimits:
    return IdempotencyLimits(
        keep_seconds=settings.idempotency_keep_seconds,
        max_reply_bytes=settings.idempotency_max_reply_bytes,
        wait_seconds=settings.idempotency_wait_seconds,
    )


def _upstream_limits(settings: Settings) -> UpstreamLimits:
    return UpstreamLimits(
        connect_seconds=settings.upstream_connect_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        total_seconds=settings.upstream_total_seconds,
        connections=settings.upstream_connections,
        keep_alive_seconds=settings.upstream_keep_alive_seconds,
        warm_connections=settings.upstream_warm_connections,
        max_reply_bytes=settings.max_reply_bytes,
        max_event_bytes=settings.max_event_bytes,
    )
