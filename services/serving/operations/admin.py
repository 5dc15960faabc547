"""HTTP under /v1/serving, for operators alone: how upstreams are, forgetting answers, reading the configuration."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.serving.cache.answers import AnswerCache
from services.serving.operations.health import Health, Vitals
from shared.clock import Clock
from shared.errors import Conflict, Denied, Invalid
from shared.http import JSONResponse, caller_of
from shared.live import LiveView
from shared.reloading import ask_reload
from shared.secrets_folder import OPERATORS

PREFIX = "/v1/serving"


class Admin:
    """What operators ask of serving. What is stopped is the registry's: /v1/registry/stops."""

    def __init__(self, vitals: Vitals, cache: AnswerCache) -> None:
        self._live: LiveView = vitals.live
        self._clock: Clock = vitals.clock
        self._upstreams = vitals.upstreams
        self._data: Path = vitals.data
        self._cache = cache

    async def upstreams(self, http: HttpRequest) -> Response:
        """GET /v1/serving/upstreams: those that the worker that answers has asked."""
        self._require_operator(http)
        data = [asdict(one) for one in self._upstreams.seen()]
        return JSONResponse({"object": "list", "data": data})

    async def forget(self, http: HttpRequest) -> Response:
        """DELETE /v1/serving/cache: the kept answers of a tenant, or of one of its users."""
        self._require_operator(http)
        tenant = http.query_params.get("tenant", "")
        if tenant not in self._live.tenants:
            raise Invalid("'tenant' must name a tenant.", param="tenant")
        forgotten = await self._cache.forget(tenant, http.query_params.get("user", ""))
        return JSONResponse({"object": "cache", "forgotten": forgotten})

    async def reload(self, http: HttpRequest) -> Response:
        """POST /v1/serving/reload: what comes of it, GET /v1/health says."""
        self._require_operator(http)
        if not ask_reload(self._data):
            raise Conflict(
                "This process has no supervisor that reads the configuration: `leeway prepare` does.",
                code="no_supervisor",
            )
        return JSONResponse({"object": "reload", "status": "asked"}, status_code=202)

    def _require_operator(self, http: HttpRequest) -> None:
        if caller_of(http, self._live, self._clock, "admin").tenant != OPERATORS:
            raise Denied("Only an operator's key may do this.")


def operations_routes(vitals: Vitals, cache: AnswerCache) -> Sequence[BaseRoute]:
    """Every route of operations."""
    admin = Admin(vitals, cache)
    return [
        Route("/v1/health", Health(vitals).tell, methods=["GET"]),
        Route(f"{PREFIX}/upstreams", admin.upstreams, methods=["GET"]),
        Route(f"{PREFIX}/cache", admin.forget, methods=["DELETE"]),
        Route(f"{PREFIX}/reload", admin.reload, methods=["POST"]),
    ]
