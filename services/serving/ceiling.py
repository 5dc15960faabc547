"""The most that a call can come to: on the dearest way that it may take, every byte a token."""

from decimal import Decimal

from services.serving.domain.gate import Entry
from services.serving.guards.bounds import input_bound, output_tokens
from services.serving.routing.estimate import Estimate
from services.serving.routing.planner import Quoter
from shared.clock import Clock
from shared.live import LiveView


class DearestRoute:
    """Quotes the dearest of all routes that a public model has, its fallbacks' included; satisfies `CostCeiling`."""

    def __init__(self, live: LiveView, quoter: Quoter, clock: Clock) -> None:
        self._live = live
        self._quoter = quoter
        self._clock = clock

    def at_most(self, model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """US dollars for so many tokens; None when a route has no price."""
        public, now = self._live.models.get(model), self._clock.now()
        names = () if public is None else (public.name, *public.fallbacks)
        models = [self._live.models[name] for name in names if name in self._live.models]
        tokens = Estimate(input_tokens, output_tokens)
        routes = [route for each in models for route in each.routes]
        quotes = [self._quoter.quote(route, tokens, now) for route in routes]
        known = [quote for quote in quotes if quote is not None]
        return max(known) if known and len(known) == len(quotes) else None

    def of(self, entry: Entry) -> Decimal | None:
        """US dollars that a call can come to; None when a price, or the length of its answer, is not known."""
        request = entry.request
        written = output_tokens(request)
        if written is None:
            return None
        return self.at_most(request.model, input_bound(request), written)
