"""Serving, composed in the order that a call flows."""

from services.serving.api import SCOPE, Door, DoorLimits, routes
from services.serving.calls import Calls
from services.serving.domain.gate import EnvironmentKnown, Gate, ScopeHeld
from services.serving.inflight import InFlight
from services.serving.prices import BookPricer
from services.serving.providers.catalogue import Catalogue
from services.serving.providers.upstream import UpstreamHttp, UpstreamLimits
from services.serving.settings import Settings
from services.serving.stream import OutboxJournal
from shared.lifecycle import App, Host
from shared.prices.seed import installed_book


def build(settings: Settings, host: Host) -> App:
    """The gateway: its routes, and the connections and calls that must end before the process does."""
    gate = Gate([ScopeHeld(SCOPE), EnvironmentKnown(host.live)])
    journal = OutboxJournal(host.outbox, host.live, host.clock)
    http = UpstreamHttp(_upstream_limits(settings), host.tracing)
    calls = Calls(
        gate,
        journal,
        Catalogue(host.live, http, host.clock, host.config.secret),
        BookPricer(installed_book(host.config)),
        live=host.live,
        clock=host.clock,
        max_attempts=settings.max_attempts,
    )
    in_flight = InFlight(journal.recover)
    limits = DoorLimits(
        max_body_bytes=settings.max_body_bytes,
        client_idle_seconds=settings.client_idle_seconds,
    )
    door = Door(calls, in_flight, host.live, host.clock, limits)
    return App("serving", routes=routes(door), resources=[http, in_flight])


def _upstream_limits(settings: Settings) -> UpstreamLimits:
    return UpstreamLimits(
        connect_seconds=settings.upstream_connect_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        total_seconds=settings.upstream_total_seconds,
        connections=settings.upstream_connections,
        keep_alive_seconds=settings.upstream_keep_alive_seconds,
        max_reply_bytes=settings.max_reply_bytes,
        max_event_bytes=settings.max_event_bytes,
    )
