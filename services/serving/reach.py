"""What leads to upstreams: their connections, adapters and states, made once for calls and for what passes through."""

import random
from dataclasses import dataclass

from services.serving.asking import Asker, Find
from services.serving.ceiling import DearestRoute
from services.serving.prices import BookPricer
from services.serving.providers.catalogue import ADDRESSES, Catalogue
from services.serving.providers.upstream import UpstreamHttp, UpstreamLimits
from services.serving.providers.warming import Warming
from services.serving.routing.planner import Answers, Planner
from services.serving.routing.quotes import BookQuoter
from services.serving.routing.rules import routing_limits
from services.serving.routing.upstreams import Upstreams
from services.serving.settings import Settings
from shared.lifecycle import Host
from shared.prices.seed import installed_book


@dataclass(frozen=True, slots=True)
class Reach:
    """The one way out of this process: open `http` before anything is asked, and run `warming` meanwhile."""

    host: Host
    http: UpstreamHttp
    warming: Warming
    catalogue: Catalogue
    upstreams: Upstreams
    quoter: BookQuoter
    pricer: BookPricer
    max_attempts: int

    def planner(self, answers: Answers) -> Planner:
        """Plans calls over the routes that answer them."""
        return Planner(self.host.live, self.upstreams, answers, self.quoter, self.host.clock)

    def asker(self, find: Find) -> Asker:
        """Asks the upstreams that `find` finds, all of one state."""
        return Asker(
            self.host.live,
            self.upstreams,
            find,
            self.host.clock,
            max_attempts=self.max_attempts,
            draw=random.Random(),  # noqa: S311 - it spreads load, and guards nothing
        )

    @property
    def ceiling(self) -> DearestRoute:
        """What calls can come to at most."""
        return DearestRoute(self.host.live, self.quoter, self.host.clock)


def reach_of(settings: Settings, host: Host) -> Reach:
    """The way out as the settings have it."""
    http = UpstreamHttp(_upstream_limits(settings), host.tracing)
    catalogue = Catalogue(host.live, http, host.clock, host.config.secret)
    book = installed_book(host.config)
    return Reach(
        host=host,
        http=http,
        warming=Warming(host.live, http, ADDRESSES),
        catalogue=catalogue,
        upstreams=Upstreams(host.live, catalogue.resolved, host.clock, routing_limits(settings)),
        quoter=BookQuoter(book),
        pricer=BookPricer(book),
        max_attempts=settings.max_attempts,
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
