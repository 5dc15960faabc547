"""The public models that a caller may ask, and what each of them can be asked for."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from services.serving.domain.gate import no_such_model
from services.serving.domain.request import Kind
from services.serving.protocols.translations import TRANSLATIONS
from services.serving.providers.capabilities import CAPABILITIES, Capabilities
from services.serving.routing.permission import may_ask
from shared.clock import Clock
from shared.http import JSONResponse, caller_of
from shared.live import Caller, LiveView, Model

_FEATURES = ("tools", "images", "documents", "audio", "json_schema", "logprobs", "seed")


class ModelList:
    """Lists models as OpenAI's protocol does. One that a policy bars its caller from is not there."""

    def __init__(self, live: LiveView, clock: Clock, scope: str) -> None:
        self._live = live
        self._clock = clock
        self._scope = scope

    async def all(self, http: HttpRequest) -> Response:
        """GET /v1/models."""
        caller = caller_of(http, self._live, self._clock, self._scope)
        models = sorted(self._live.models.items())
        shown = [self._told(model, caller) for _, model in models if self._may(caller, model)]
        return JSONResponse({"object": "list", "data": shown})

    async def one(self, http: HttpRequest) -> Response:
        """GET /v1/models/{id}."""
        caller = caller_of(http, self._live, self._clock, self._scope)
        name = http.path_params["id"]
        model = self._live.models.get(name)
        if model is None or not self._may(caller, model):
            raise no_such_model(name)
        return JSONResponse(self._told(model, caller))

    def _may(self, caller: Caller, model: Model) -> bool:
        """Whether its policies let a caller ask for it, and a route of it is for its tenant."""
        open_to = any(not one.tenants or caller.tenant in one.tenants for one in model.routes)
        return open_to and may_ask(model.name, self._live.policies(caller, model.name))

    def _told(self, model: Model, caller: Caller) -> Mapping[str, object]:
        routes = [one for one in model.routes if not one.tenants or caller.tenant in one.tenants]
        providers = (self._live.providers.get(route.provider) for route in routes)
        able = [CAPABILITIES[one.kind] for one in providers if one and one.kind in CAPABILITIES]
        told = {"id": model.name, "object": "model", "created": 0, "owned_by": "leeway"}
        return {**told, "capabilities": capabilities(able)} if able else told


def capabilities(able: Sequence[Capabilities]) -> Mapping[str, object]:
    """What a model of such routes can be asked for: the kinds that one of them answers, and what all of them can.

    >>> capabilities([CAPABILITIES["anthropic"]])["kinds"]
    ['chat', 'completion', 'message', 'response']
    """
    kinds = {kind for each in able for kind in _kinds(each)}
    features = {name: all(getattr(each, name) for each in able) for name in _FEATURES}
    return {"kinds": sorted(map(str, kinds)), **features}


def _kinds(able: Capabilities) -> frozenset[Kind]:
    """What it answers itself, by translation, and by passing it through."""
    said = frozenset(TRANSLATIONS) if Kind.CHAT in able.kinds else frozenset()
    return able.kinds | said | able.passes
