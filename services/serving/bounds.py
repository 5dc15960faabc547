"""What policies let a call ask: which models, how long an answer, and how much it may come to."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from services.serving.domain.gate import Entry, no_such_model
from services.serving.domain.request import Kind
from services.serving.routing.estimate import estimate
from services.serving.routing.permission import may_ask
from services.serving.routing.planner import Quoter
from shared.clock import Clock
from shared.errors import Denied, Invalid
from shared.live import LiveView
from shared.policy import Policy

UpperBound = Callable[[Entry], Decimal | None]
"""The most that a call can come to on any of its model's routes, in US dollars; None where a price is missing."""

# How each kind names the most that may be written, the name that is set where none is given first.
_BOUNDS: Mapping[Kind, Sequence[str]] = {
    Kind.CHAT: ("max_completion_tokens", "max_tokens"),
    Kind.COMPLETION: ("max_tokens",),
    Kind.RESPONSE: ("max_output_tokens",),
    Kind.MESSAGE: ("max_tokens",),
}


class ModelAllowed:
    """The model is live, and every policy of the caller lets it be asked; satisfies `Check`."""

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        """The entry as it is. Raises `NotFound` and `Denied`."""
        name = entry.request.model
        if name not in self._live.models:
            raise no_such_model(name)
        if not may_ask(name, self._live.policies(entry.caller, name)[:3]):
            raise Denied(f"This key may not ask the model {name!r}.", code="model_not_allowed")
        return entry


class LengthBounded:
    """No answer is longer than policies let it be; satisfies `Check`.

    Where the request sets no bound it is given the policies'; one that asks for more is told so.
    """

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        """The entry, bounded. Raises `Invalid`."""
        request = entry.request
        names = _BOUNDS.get(request.kind)
        most = _least(self._live.policies(entry.caller, request.model), "max_output_tokens")
        if names is None or most is None:
            return entry
        asked = [(name, request.body.tree[name]) for name in names if name in request.body.tree]
        for name, tokens in asked:
            if isinstance(tokens, int) and tokens > most:
                raise Invalid(
                    f"{name!r} is {tokens}, and this key may ask the model {request.model!r} for at most {most}.",
                    param=name,
                    code="max_output_tokens_exceeded",
                )
        if any(tokens is not None for _, tokens in asked):
            return entry
        return entry.changed(request=request.replaced({names[0]: int(most)}))


class CostBounded:
    """No call may come to more than policies let it; satisfies `Check`. What has no price is refused."""

    def __init__(self, live: LiveView, upper_bound: UpperBound) -> None:
        self._live = live
        self._upper_bound = upper_bound

    async def admit(self, entry: Entry) -> Entry:
        """The entry as it is. Raises `Denied`."""
        most = _least(self._live.policies(entry.caller, entry.request.model), "max_cost_usd")
        if most is None:
            return entry
        bound = self._upper_bound(entry)
        if bound is None or bound > most:
            told = "has no price" if bound is None else f"may come to {bound} USD"
            raise Denied(
                f"This call {told}, and its policies let one come to at most {most} USD.",
                code="max_cost_exceeded",
            )
        return entry


class PricedBound:
    """Quotes the dearest route of a call's model, with all that it lets be written; satisfies `UpperBound`."""

    def __init__(self, live: LiveView, quoter: Quoter, clock: Clock) -> None:
        self._live = live
        self._quoter = quoter
        self._clock = clock

    def __call__(self, entry: Entry) -> Decimal | None:
        model = self._live.models.get(entry.request.model)
        tokens, now = estimate(entry.request), self._clock.now()
        names = () if model is None else (model.name, *model.fallbacks)
        models = [self._live.models[name] for name in names if name in self._live.models]
        quotes = [
            self._quoter.quote(route, tokens, now) for each in models for route in each.routes
        ]
        known = [quote for quote in quotes if quote is not None]
        return max(known) if known and len(known) == len(quotes) else None


def _least(policies: Sequence[Policy], name: str) -> Decimal | int | None:
    """The strictest of the bounds that policies set; None for no bound."""
    bounds = [bound for policy in policies if (bound := getattr(policy, name)) is not None]
    return min(bounds, default=None)
