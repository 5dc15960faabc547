"""Serving, composed in the order that a call flows."""

from services.serving.api import Door, DoorLimits, routes
from services.serving.cache.opening import answer_cache, worker_memory
from services.serving.calls import CallLimits, Calls
from services.serving.entrance import gate_of
from services.serving.guards.catalogue import Catalogue
from services.serving.guards.rails import Switchyard
from services.serving.idempotency.claims import Idempotency
from services.serving.idempotency.rules import idempotency_limits
from services.serving.inflight import InFlight
from services.serving.limits.limiter import Limiter
from services.serving.operations.admin import operations_routes
from services.serving.operations.health import Vitals
from services.serving.passing.opening import passing_of
from services.serving.prompts.files import FilePrompts
from services.serving.prompts.port import NoPrompts
from services.serving.protocols.messages.counting import TokenCounts
from services.serving.reach import reach_of
from services.serving.settings import Settings
from services.serving.state.opening import state_at
from services.serving.stream import OutboxJournal
from shared.embedding import OnFirstUse, WordLlamaEmbedder
from shared.lifecycle import App, Host


def build(settings: Settings, host: Host) -> App:
    """The gateway: its routes, and the connections and calls that must end before the process does."""
    live, clock, folder = host.live, host.clock, host.data / "serving"
    state_url = settings.state_url.get_secret_value()
    state = state_at(state_url, folder, clock, settings.state_timeout_seconds)
    limiter = Limiter(state, clock)
    prompts = None if settings.prompts is None else FilePrompts(settings.prompts, clock)
    memory = worker_memory(settings, host, state)
    embedder = OnFirstUse(WordLlamaEmbedder())
    cache = answer_cache(settings, host, embedder, state, memory)
    guards = Switchyard(live, Catalogue(embedder))
    reach = reach_of(settings, host)
    gate = gate_of(live, prompts or NoPrompts(), reach.ceiling, limiter, guards)
    journal = OutboxJournal(host.outbox, live, clock)
    planner = reach.planner(reach.catalogue.answers)
    calls = Calls(
        gate,
        journal,
        planner,
        reach.asker(reach.catalogue.answering),
        cache,
        guards,
        reach.pricer,
        clock,
        CallLimits(settings.quiet_seconds),
    )
    counts = TokenCounts(gate, planner, reach.catalogue.counting)
    once = Idempotency(state, clock, idempotency_limits(settings))
    in_flight = InFlight(journal.recover)
    limits = DoorLimits(settings.max_body_bytes, settings.client_idle_seconds)
    door = Door(calls, counts, once, in_flight, live, clock, limits)
    vitals = Vitals(live, clock, reach.upstreams, state, in_flight, host.data)
    passing = passing_of(settings, door, gate, reach, guards, journal)
    return App(
        "serving",
        routes=[*routes(door), *passing, *operations_routes(vitals, cache)],
        resources=[reach.http, state, limiter, *([prompts] if prompts else []), in_flight],
        tasks=[reach.warming.run, limiter.run, memory.run, *([prompts.run] if prompts else [])],
    )
