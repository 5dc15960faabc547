"""How many tokens a Messages request is: only who would answer it can say, and nobody guesses."""

from collections.abc import Callable
from dataclasses import replace

from services.serving.domain.context import continued_trace
from services.serving.domain.gate import End, Entry, Gate, settle
from services.serving.providers.port import Ask, Counter
from services.serving.routing.planner import Planner
from shared.errors import Invalid
from shared.live import Route

Find = Callable[[Route], Counter | None]
"""The provider of a route, if it counts. Raises `UpstreamFailed` when there is none."""

# What the gate may have bounded an answer by: a count has no answer.
_OF_AN_ANSWER = frozenset(("max_tokens",))


class TokenCounts:
    """Asks the first route of a request's plan that counts. It passes the gate as a call does, and is none:
    nothing is answered, recorded or spent, and what the gate held for it is given back whole."""

    def __init__(self, gate: Gate, planner: Planner, find: Find) -> None:
        self._gate = gate
        self._planner = planner
        self._find = find

    async def count(self, entry: Entry) -> bytes:
        """The count, as its provider tells it. Raises what refuses it, and `UpstreamFailed`."""
        admitted = await self._gate.admit(entry)
        try:
            return await self._count(admitted)
        finally:
            await settle(admitted.holds, End(None))

    async def _count(self, entry: Entry) -> bytes:
        request = entry.request
        for route in self._planner.plan(entry):
            counter = self._find(route)
            if counter is not None:
                body = request.body.without(_OF_AN_ANSWER)
                asked, traceparent = replace(request, body=body), continued_trace(entry.context)
                return await counter.count(Ask(asked, route.model, traceparent))
        raise Invalid(
            f"No provider of the model {request.model!r} counts tokens without answering; "
            "those of Anthropic's protocol do.",
            param="model",
            code="unsupported_operation",
        )
