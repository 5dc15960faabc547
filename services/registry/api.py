"""HTTP under /v1/registry: a key with the scope `read` lists what is there, one with `admin` changes it too.

An operator's key reaches every tenant; a key of another tenant only its own.
"""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.registry.domain import (
    Entity,
    Environment,
    Kept,
    Key,
    Model,
    Project,
    Provider,
    Stop,
    Tenant,
)
from services.registry.registry import MadeKey, Registry
from services.registry.replies import made_view, page_view, view
from services.registry.requests import (
    EnvironmentBody,
    KeyBody,
    ProjectBody,
    RotateBody,
    StopBody,
    TenantBody,
    body_of,
    query_of,
)
from services.registry.store import Page
from shared.clock import Clock
from shared.errors import Denied
from shared.http import JSONResponse, caller_of
from shared.live import Caller, LiveView
from shared.secrets_folder import OPERATORS

PREFIX = "/v1/registry"

Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """The registry's routes."""

    def __init__(self, registry: Registry, live: LiveView, clock: Clock) -> None:
        self._registry = registry
        self._live = live
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """Every path of the registry."""
        return (
            Route(f"{PREFIX}/tenants", self._list(Tenant), methods=["GET"]),
            Route(f"{PREFIX}/tenants", self.add_tenant, methods=["POST"]),
            Route(f"{PREFIX}/projects", self._list(Project), methods=["GET"]),
            Route(f"{PREFIX}/projects", self.add_project, methods=["POST"]),
            Route(f"{PREFIX}/environments", self._list(Environment), methods=["GET"]),
            Route(f"{PREFIX}/environments", self.add_environment, methods=["POST"]),
            Route(f"{PREFIX}/keys", self._list(Key), methods=["GET"]),
            Route(f"{PREFIX}/keys", self.add_key, methods=["POST"]),
            Route(f"{PREFIX}/keys/{{key_id}}", self.revoke_key, methods=["DELETE"]),
            Route(f"{PREFIX}/keys/{{key_id}}/rotate", self.rotate_key, methods=["POST"]),
            Route(f"{PREFIX}/models", self._list_installed(Model), methods=["GET"]),
            Route(f"{PREFIX}/providers", self._list_installed(Provider), methods=["GET"]),
            Route(f"{PREFIX}/stops", self._list_installed(Stop), methods=["GET"]),
            Route(f"{PREFIX}/stops", self.stop, methods=["POST"]),
            Route(f"{PREFIX}/stops/{{stop_id:path}}", self.start, methods=["DELETE"]),
        )

    def _list(self, of: type[Entity]) -> Endpoint:
        """A list of what belongs to tenants."""

        async def endpoint(request: Request) -> Response:
            caller = self._reader(request)
            query = query_of(request)
            tenant = query.tenant if _operates(caller) else _tenant(caller, query.tenant)
            page = Page(query.limit, query.after)
            kept = await self._registry.entities(of, tenant, page)
            return JSONResponse(page_view(kept, page))

        return endpoint

    def _list_installed(self, of: type[Entity]) -> Endpoint:
        """A list of what belongs to the installation: for operators."""

        async def endpoint(request: Request) -> Response:
            _require_operator(self._reader(request))
            query = query_of(request)
            page = Page(query.limit, query.after)
            kept = await self._registry.entities(of, None, page)
            return JSONResponse(page_view(kept, page))

        return endpoint

    async def add_tenant(self, request: Request) -> Response:
        """POST tenants: for operators."""
        caller = self._operator(request)
        body = await body_of(request, TenantBody)
        tenant = Tenant(body.tenant, body.name or body.tenant, body.content, body.policy)
        return _created(await self._registry.add_tenant(tenant, _actor(caller)))

    async def add_project(self, request: Request) -> Response:
        """POST projects."""
        caller = self._admin(request)
        body = await body_of(request, ProjectBody)
        project = Project(_tenant(caller, body.tenant), body.project, body.policy)
        return _created(await self._registry.add(project, _actor(caller)))

    async def add_environment(self, request: Request) -> Response:
        """POST environments."""
        caller = self._admin(request)
        body = await body_of(request, EnvironmentBody)
        environment = Environment(_tenant(caller, body.tenant), body.environment)
        return _created(await self._registry.add(environment, _actor(caller)))

    async def add_key(self, request: Request) -> Response:
        """POST keys: the only reply that ever shows the token."""
        caller = self._admin(request)
        body = await body_of(request, KeyBody)
        tenant = _tenant(caller, body.tenant)
        return _shown_once(await self._registry.add_key(tenant, body.wish(), _actor(caller)))

    async def revoke_key(self, request: Request) -> Response:
        """DELETE a key: it opens nothing from now on, and stays in the list."""
        caller = self._admin(request)
        key_id = request.path_params["key_id"]
        kept = await self._registry.revoke_key(key_id, _reach(caller), _actor(caller))
        return JSONResponse(view(kept))

    async def rotate_key(self, request: Request) -> Response:
        """POST a key's rotation: a new token, and the old one for a while longer."""
        caller = self._admin(request)
        body = await body_of(request, RotateBody)
        key_id = request.path_params["key_id"]
        return _shown_once(
            await self._registry.rotate_key(key_id, _reach(caller), body.overlap, _actor(caller))
        )

    async def stop(self, request: Request) -> Response:
        """POST a stop: for operators."""
        caller = self._operator(request)
        body = await body_of(request, StopBody)
        return _created(await self._registry.stop(body.stop(), _actor(caller)))

    async def start(self, request: Request) -> Response:
        """DELETE a stop: for operators."""
        caller = self._operator(request)
        stop_id = request.path_params["stop_id"]
        return JSONResponse(view(await self._registry.start(stop_id, _actor(caller))))

    def _reader(self, request: Request) -> Caller:
        return caller_of(request, self._live, self._clock, "read", "admin")

    def _admin(self, request: Request) -> Caller:
        return caller_of(request, self._live, self._clock, "admin")

    def _operator(self, request: Request) -> Caller:
        caller = self._admin(request)
        _require_operator(caller)
        return caller


def _require_operator(caller: Caller) -> None:
    if not _operates(caller):
        raise Denied("Only an operator's key may do this.")


def _operates(caller: Caller) -> bool:
    return caller.tenant == OPERATORS


def _tenant(caller: Caller, named: str | None) -> str:
    """The tenant that a request is about: the caller's own, unless an operator names another."""
    if named is None or named == caller.tenant:
        return caller.tenant
    if not _operates(caller):
        raise Denied(f"A key of the tenant '{caller.tenant}' acts for no other tenant.")
    return named


def _reach(caller: Caller) -> str | None:
    """The tenant whose keys the caller may touch; None for every tenant's."""
    return None if _operates(caller) else caller.tenant


def _actor(caller: Caller) -> str:
    return f"key:{caller.key_id}"


def _created(kept: Kept) -> Response:
    return JSONResponse(view(kept), status_code=201)


def _shown_once(made: MadeKey) -> Response:
    return JSONResponse(made_view(made), status_code=201, headers={"cache-control": "no-store"})
