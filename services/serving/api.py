"""The HTTP routes: who calls, what they ask, and how they are answered. Bare ASGI on the hot path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services.serving.calls import Calls
from services.serving.client import Client, ClientLeft
from services.serving.domain.body import Body, parse_body
from services.serving.domain.context import context_of
from services.serving.domain.gate import Entry, no_such_model, refuse_unknown_model
from services.serving.domain.request import Request, chat_request, embedding_request
from services.serving.inflight import InFlight
from services.serving.replies import answer_headers, refusal
from shared.clock import Clock
from shared.errors import Invalid, LeewayError
from shared.http import JSONResponse, caller_of, read_body, require_json
from shared.ids import new_id
from shared.live import LiveView

SCOPE = "serve"

Reader = Callable[[Body], Request]


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How much a request may hold, and how long a client may take to be answered."""

    max_body_bytes: int
    client_idle_seconds: float


@dataclass(frozen=True, slots=True)
class Door:
    """What every route of calls is made of."""

    calls: Calls
    in_flight: InFlight
    live: LiveView
    clock: Clock
    limits: DoorLimits


class CallRoute:
    """The ASGI application of one path: authenticate, read, pass the gate, serve, answer."""

    def __init__(self, door: Door, reader: Reader) -> None:
        self._door = door
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Client(receive, send, self._door.limits.client_idle_seconds)
        with self._door.in_flight.one():
            try:
                await self._serve(HttpRequest(scope, receive), client)
            except (ClientLeft, ClientDisconnect):
                return  # nobody is there to be told, and the call is accounted for

    async def _serve(self, http: HttpRequest, client: Client) -> None:
        interaction_id = ""
        try:
            caller = caller_of(http, self._door.live, self._door.clock, SCOPE)
            interaction_id = new_id()
            body = parse_body(await self._body(http))
            refuse_unknown_model(body.tree, self._door.live)
            request = self._reader(body)
            told, span_id = _told(http.scope), _span_id(interaction_id)
            context = context_of(told, request.metadata, span_id, user=request.user)
            call = await self._door.calls.begin(Entry(interaction_id, caller, request, context))
            if request.streaming:
                await self._door.calls.relay(call, client)
                return
            answered = await self._door.calls.complete(call, client)
        except LeewayError as error:
            refused = refusal(error, interaction_id)
            await client.answer(refused.status, refused.headers, refused.body)
            return
        headers = answer_headers(interaction_id, answered.cost_usd)
        await client.answer(200, headers, answered.reply.body)

    async def _body(self, http: HttpRequest) -> bytes:
        require_json(http)
        encoding = http.headers.get("content-encoding", "identity")
        if encoding.strip().lower() not in ("", "identity"):
            raise Invalid(
                f"A body with Content-Encoding {encoding[:64]!r} is not taken; send it as it is.",
                code="unsupported_encoding",
                status=415,
            )
        return await read_body(http, self._door.limits.max_body_bytes)


class ModelList:
    """The public models that are live."""

    def __init__(self, live: LiveView, clock: Clock) -> None:
        self._live = live
        self._clock = clock

    async def all(self, http: HttpRequest) -> Response:
        """GET /v1/models."""
        caller_of(http, self._live, self._clock, SCOPE)
        models = [_model(name) for name in sorted(self._live.models)]
        return JSONResponse({"object": "list", "data": models})

    async def one(self, http: HttpRequest) -> Response:
        """GET /v1/models/{id}."""
        caller_of(http, self._live, self._clock, SCOPE)
        name = http.path_params["id"]
        if name not in self._live.models:
            raise no_such_model(name)
        return JSONResponse(_model(name))


def routes(door: Door) -> Sequence[BaseRoute]:
    """Every route of serving."""
    models = ModelList(door.live, door.clock)
    return [
        Route("/v1/chat/completions", CallRoute(door, chat_request), methods=["POST"]),
        Route("/v1/embeddings", CallRoute(door, embedding_request), methods=["POST"]),
        Route("/v1/models", models.all, methods=["GET"]),
        Route("/v1/models/{id:path}", models.one, methods=["GET"]),
    ]


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "leeway"}


def _told(scope: Scope) -> dict[str, str]:
    """The headers that say what a call belongs to. Raises `Invalid` for one that is no UTF-8."""
    own = {
        name.decode("latin-1"): value
        for name, value in scope["headers"]
        if name.startswith(b"x-leeway-") or name == b"traceparent"
    }
    try:
        return {name: value.decode() for name, value in own.items()}
    except UnicodeDecodeError as fault:
        raise Invalid("A header that begins with x-leeway- is not UTF-8.") from fault


def _span_id(interaction_id: str) -> str:
    """The call's own span: the random half of its id."""
    return interaction_id.replace("-", "")[16:]
