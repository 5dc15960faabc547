"""Whether serving is well: a word to everybody, and to a key that may read what it is judged by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.serving.inflight import InFlight
from services.serving.routing.breaker import State
from services.serving.routing.upstreams import Upstreams
from services.serving.state.port import StateAway, Values
from shared.clock import Clock
from shared.http import JSONResponse, caller_of
from shared.live import LiveView
from shared.reloading import ConfigState, state_of
from shared.secrets_folder import OPERATORS

OK, DEGRADED = "ok", "degraded"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What health is judged by."""

    live: LiveView
    clock: Clock
    upstreams: Upstreams
    state: Values
    in_flight: InFlight
    data: Path


class Health:
    """Degraded is what answers, but without something that it should have: shared state, or an upstream."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    async def tell(self, http: HttpRequest) -> Response:
        """GET /v1/health."""
        vitals = self._vitals
        away = await self._state_is_away()
        breakers = Counter(str(one.breaker) for one in vitals.upstreams.seen())
        config = state_of(vitals.data)
        well = not (away or breakers[State.OPEN] or (config and config.faults))
        status = {"object": "health", "status": OK if well else DEGRADED}
        if "authorization" not in http.headers and "x-api-key" not in http.headers:
            return JSONResponse(status)
        caller = caller_of(http, vitals.live, vitals.clock, "read", "admin")
        told = {
            **status,
            "in_flight": vitals.in_flight.count,
            "registry": {"revision": vitals.live.revision, "models": len(vitals.live.models)},
            "state": "away" if away else "reached",
            "upstreams": {str(state): breakers[state] for state in State},
            "stopped": sorted(vitals.live.stops) if caller.tenant == OPERATORS else None,
            "configuration": _configuration(config) if caller.tenant == OPERATORS else None,
        }
        return JSONResponse({name: value for name, value in told.items() if value is not None})

    async def _state_is_away(self) -> bool:
        try:
            await self._vitals.state.get("health")
        except StateAway:
            return True
        return False


def _configuration(state: ConfigState | None) -> Mapping[str, object] | None:
    if state is None:
        return None
    return {
        "loaded_at": state.loaded_at.isoformat(),
        "tried_at": state.tried_at.isoformat(),
        "faults": list(state.faults),
    }
