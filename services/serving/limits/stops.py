"""The kill switch: what operators have stopped is not served, by any worker, until they start it again.

A stop is a fact of the registry: it holds in every worker as soon as its view has it, over restarts too, and a worker
opens no door before its view is whole.
"""

from collections.abc import Container, Sequence

from services.serving.domain.gate import Entry
from shared.errors import Unavailable
from shared.live import LiveView, Model, Route

ALL = "all"


class Stopped(Unavailable):
    """Operators have stopped it; the status is 503, since trying again helps once they have started it."""

    def __init__(self, what: str, reason: str = "") -> None:
        told = f": {reason}" if reason else ""
        super().__init__(f"{what} is stopped by this gateway's operators{told}.", code="stopped")


class NotStopped:
    """Nothing that a call belongs to is stopped; satisfies `Check`. Its provider is looked at by the planner."""

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        """The entry as it is. Raises `Stopped`."""
        stops = self._live.stops
        if not stops:
            return entry
        caller, model = entry.caller, entry.request.model
        if ALL in stops:
            raise Stopped("Every call", stops[ALL])
        for of, name in (("tenant", caller.tenant), ("key", caller.key_id), ("model", model)):
            if f"{of}/{name}" in stops:
                raise Stopped(f"The {of} {name!r}", stops[f"{of}/{name}"])
        return entry


def runs(model: Model, stops: Container[str]) -> bool:
    """Whether a public name may be fallen back to."""
    return f"model/{model.name}" not in stops


def running_routes(routes: Sequence[Route], stops: Container[str]) -> Sequence[Route]:
    """The routes whose providers are not stopped."""
    return [route for route in routes if f"provider/{route.provider}" not in stops]
