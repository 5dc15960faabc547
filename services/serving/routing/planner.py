"""The plan of a call: every route that it may take, in the order in which they are to be tried."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services.serving.domain.gate import Entry, no_such_model
from services.serving.domain.request import Kind
from services.serving.limits.stops import Stopped, running_routes, runs
from services.serving.routing.estimate import Estimate, estimate
from services.serving.routing.permission import permitted, stand_ins
from services.serving.routing.strategies import (
    by_context,
    by_cost,
    by_latency,
    by_priority,
    roomy_first,
)
from services.serving.routing.upstreams import Upstreams
from services.serving.routing.weights import by_weight
from shared.clock import Clock
from shared.errors import Denied, Invalid, Unavailable
from shared.live import LiveView, Model, Route

Answers = Callable[[Route, Kind], bool]
"""Whether a route's provider can be asked for a kind; one that is not there can, so that its absence is told."""


class Quoter(Protocol):
    """Says what a call would cost on a route."""

    def quote(self, route: Route, tokens: Estimate, at: datetime) -> Decimal | None:
        """US dollars; None where there is no price."""
        ...


class Planner:
    """Plans calls by the live view: permission first, then ability, and only then preference."""

    def __init__(
        self,
        live: LiveView,
        upstreams: Upstreams,
        answers: Answers,
        quoter: Quoter,
        clock: Clock,
    ) -> None:
        self._live = live
        self._upstreams = upstreams
        self._answers = answers
        self._quoter = quoter
        self._clock = clock

    def plan(self, entry: Entry) -> Sequence[Route]:
        """The routes to try, at least one: the model's own, then those of the names that it falls back to.

        Raises `NotFound` for a model that is not live, `Denied` when its tenant or tags bar it from every
        route, `Invalid` when none answers its kind, and `Unavailable` when all are drained, or stopped.
        """
        model = self._live.models.get(entry.request.model)
        if model is None:
            raise no_such_model(entry.request.model)
        policies = self._live.policies(entry.caller, model.name)[:3]
        others = stand_ins(model, self._live.models, policies)
        names = (model, *(name for name in others if runs(name, self._live.stops)))
        open_to = [(name, self._permitted(name, entry)) for name in names]
        able = [(name, self._able(routes, entry)) for name, routes in open_to]
        if not any(routes for _, routes in able):
            raise self._refusal(model, entry, *(bool(routes) for _, routes in open_to))
        able = [(name, running_routes(routes, self._live.stops)) for name, routes in able]
        if not any(routes for _, routes in able):
            raise Stopped(f"Every provider of the model {model.name!r}")
        ordered = [route for name, routes in able for route in self._ordered(name, routes, entry)]
        if not ordered:
            raise Unavailable(f"The model {model.name!r} has no route that takes calls now.")
        first: dict[tuple[str, str], Route] = {}
        for route in ordered:
            first.setdefault((route.provider, route.model), route)
        return list(first.values())

    def _permitted(self, model: Model, entry: Entry) -> Sequence[Route]:
        tenant, tags = entry.caller.tenant, entry.context.tags
        return [route for route in model.routes if permitted(route, tenant, tags)]

    def _able(self, routes: Sequence[Route], entry: Entry) -> Sequence[Route]:
        return [route for route in routes if self._answers(route, entry.request.kind)]

    def _refusal(self, model: Model, entry: Entry, *open_to: bool) -> Denied | Invalid:
        if not any(open_to):
            return Denied(
                f"No route of the model {model.name!r} may be taken by this call: its tenant or its tags "
                "are not among those that its routes are for.",
                code="no_permitted_route",
            )
        return Invalid(
            f"The model {model.name!r} cannot answer a request of kind {entry.request.kind}.",
            param="model",
            code="unsupported_operation",
        )

    def _ordered(self, model: Model, routes: Sequence[Route], entry: Entry) -> Sequence[Route]:
        """A model's routes in the order of its strategy."""
        if len(routes) == 1:
            return by_priority(routes)
        strategy = model.policy.routing.strategy
        if strategy in ("cost", "context") or any(route.max_input_tokens for route in routes):
            return self._ordered_by_size(model, routes, entry)
        return self._preferred(model, routes, entry)

    def _ordered_by_size(
        self, model: Model, routes: Sequence[Route], entry: Entry
    ) -> Sequence[Route]:
        seed, tokens = _seed(model, entry), estimate(entry.request)
        match model.policy.routing.strategy:
            case "context":
                return by_context(routes, seed, tokens.input_tokens)
            case "cost":
                now = self._clock.now()
                ordered = by_cost(routes, seed, lambda one: self._quoter.quote(one, tokens, now))
            case _:
                ordered = self._preferred(model, routes, entry)
        return roomy_first(ordered, tokens.input_tokens)

    def _preferred(self, model: Model, routes: Sequence[Route], entry: Entry) -> Sequence[Route]:
        seed = _seed(model, entry)
        match model.policy.routing.strategy:
            case "priority":
                return by_priority(routes)
            case "latency":
                sticky = _sticky(model, entry)
                return by_latency(routes, seed, self._load(entry), sticky=sticky)
            case _:
                return by_weight(routes, seed)

    def _load(self, entry: Entry) -> Callable[[Route], float]:
        now, streaming = self._clock.monotonic(), entry.request.streaming
        return lambda route: self._upstreams.pool(route).load(now, streaming=streaming)


def _seed(model: Model, entry: Entry) -> str:
    """What draws: the session for all of its calls, else the call for itself."""
    if _sticky(model, entry):
        return f"{entry.caller.tenant}/{entry.context.session_id}"
    return entry.interaction_id


def _sticky(model: Model, entry: Entry) -> bool:
    return model.policy.routing.sticky and bool(entry.context.session_id)
