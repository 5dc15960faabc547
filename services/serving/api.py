"""The HTTP routes of calls: who calls, what they ask, and how they are answered. Bare ASGI on the hot path."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services.serving.calls import Calls
from services.serving.client import Client, ClientLeft
from services.serving.domain.body import Body, parse_body
from services.serving.domain.context import context_of, timeout_of
from services.serving.domain.gate import Entry, refuse_unknown_model
from services.serving.domain.request import Kind, Request, chat_request, embedding_request
from services.serving.idempotency.claims import Idempotency
from services.serving.idempotency.recording import RecordingClient, replay
from services.serving.idempotency.sealing import Keyed
from services.serving.inflight import InFlight
from services.serving.operations.models import ModelList
from services.serving.prompts.reference import reference_of
from services.serving.protocols.completions.reading import completion_request
from services.serving.protocols.dialect import dialect_of
from services.serving.protocols.messages.counting import TokenCounts
from services.serving.protocols.messages.reading import count_request, message_request
from services.serving.protocols.responses.reading import response_request
from services.serving.replies import answer_headers, plain_headers, refusal
from shared.clock import Clock
from shared.errors import Invalid, LeewayError
from shared.http import caller_of, read_body, require_json, token_of
from shared.ids import new_id
from shared.live import Caller, LiveView

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
    counts: TokenCounts
    idempotency: Idempotency
    in_flight: InFlight
    live: LiveView
    clock: Clock
    limits: DoorLimits


class CallRoute:
    """The ASGI application of one path: authenticate, read, pass the gate, serve, answer."""

    def __init__(self, door: Door, kind: Kind, reader: Reader) -> None:
        self._door = door
        self._reader = reader
        self._dialect = dialect_of(kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Client(receive, send, self._door.limits.client_idle_seconds)
        request_id = new_id()
        with self._door.in_flight.one():
            try:
                await self._answer(HttpRequest(scope, receive), send, client, request_id)
            except (ClientLeft, ClientDisconnect):
                return  # nobody is there to be told, and the call is accounted for

    async def _answer(self, http: HttpRequest, send: Send, client: Client, request_id: str) -> None:
        try:
            caller = caller_of(http, self._door.live, self._door.clock, SCOPE)
        except LeewayError as error:
            refused = refusal(error, self._dialect, request_id, of_a_call=False)
            await client.answer(refused.status, refused.headers, refused.body)
            return
        try:
            await self._serve(http, send, caller, client, request_id)
        except LeewayError as error:
            await self._refuse(client, error, request_id)

    async def _refuse(self, client: Client, error: LeewayError, request_id: str) -> None:
        refused = refusal(error, self._dialect, request_id)
        await client.answer(refused.status, refused.headers, refused.body)

    async def _serve(
        self, http: HttpRequest, send: Send, caller: Caller, client: Client, request_id: str
    ) -> None:
        door = self._door
        body = await self._body(http)
        key = http.headers.get("idempotency-key")
        if key is None:
            await self._call(http, caller, body, client, request_id)
            return
        keyed = Keyed(caller, token_of(http.headers), http.scope["path"], key, body)
        async with door.idempotency.claim(keyed) as claim:
            if claim.reply is not None:
                await replay(client, claim.reply)
                return
            recording = RecordingClient(http.receive, send, door.limits.client_idle_seconds, claim)
            try:
                await self._call(http, caller, body, recording, request_id)
            except LeewayError as error:
                # Answered inside of the claim: what an upstream refused is kept for the retries, too.
                await self._refuse(recording, error, request_id)

    async def _call(
        self, http: HttpRequest, caller: Caller, raw: bytes, client: Client, request_id: str
    ) -> None:
        entry = self._entry(http.scope, caller, parse_body(raw), request_id)
        begun = await self._door.calls.begin(entry, http.headers.get("cache-control", ""))
        client.asked()
        if entry.request.streaming:
            await self._door.calls.relay(begun, client)
            return
        answered = await self._door.calls.complete(begun, client)
        headers = answer_headers(begun.call, begun.look, answered.cost_usd)
        await client.answer(200, headers, answered.reply.body)

    def _entry(self, scope: Scope, caller: Caller, body: Body, interaction_id: str) -> Entry:
        told = _told(scope)
        if reference_of(body.tree) is None:  # a prompt names its model itself
            refuse_unknown_model(body.tree, self._door.live)
        request = replace(self._reader(body), headers=_passed_on(scope))
        span_id = _span_id(interaction_id)
        context = context_of(told, request.metadata, span_id, user=request.user)
        return Entry(interaction_id, caller, request, context, timeout_of(told))

    async def _body(self, http: HttpRequest) -> bytes:
        require_json(http)
        refuse_encoded(http)
        return await read_body(http, self._door.limits.max_body_bytes)


class CountRoute(CallRoute):
    """The ASGI application that counts the tokens of a Messages request: the same door, and no call."""

    async def _call(
        self, http: HttpRequest, caller: Caller, raw: bytes, client: Client, request_id: str
    ) -> None:
        entry = self._entry(http.scope, caller, parse_body(raw), request_id)
        counted = await self._door.counts.count(entry)
        await client.answer(200, plain_headers(request_id), counted)

    async def _refuse(self, client: Client, error: LeewayError, request_id: str) -> None:
        refused = refusal(error, self._dialect, request_id, of_a_call=False)
        await client.answer(refused.status, refused.headers, refused.body)


def routes(door: Door) -> Sequence[BaseRoute]:
    """Every route of calls."""
    models = ModelList(door.live, door.clock, SCOPE)
    calls = [
        Route(path, CallRoute(door, kind, reader), methods=["POST"])
        for path, (kind, reader) in CALLS.items()
    ]
    return [
        *calls,
        Route(
            "/v1/messages/count_tokens",
            CountRoute(door, Kind.MESSAGE, count_request),
            methods=["POST"],
        ),
        Route("/v1/models", models.all, methods=["GET"]),
        Route("/v1/models/{id:path}", models.one, methods=["GET"]),
    ]


CALLS: Mapping[str, tuple[Kind, Reader]] = {
    "/v1/chat/completions": (Kind.CHAT, chat_request),
    "/v1/completions": (Kind.COMPLETION, completion_request),
    "/v1/responses": (Kind.RESPONSE, response_request),
    "/v1/messages": (Kind.MESSAGE, message_request),
    "/v1/embeddings": (Kind.EMBEDDING, embedding_request),
}
"""Every path that asks a model: what kind of request it takes, and how one is read."""


def refuse_encoded(http: HttpRequest) -> None:
    """Raise `Invalid` (415) for a body that is compressed: what it unpacks to is not known."""
    encoding = http.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise Invalid(
            f"A body with Content-Encoding {encoding[:64]!r} is not taken; send it as it is.",
            code="unsupported_encoding",
            status=415,
        )


def _told(scope: Scope) -> dict[str, str]:
    """The headers that say what a call belongs to. Raises `Invalid` for one that is no UTF-8."""
    own = {
        name.decode("latin-1"): value
        for name, value in scope["headers"]
        if name.startswith(b"x-leeway-")
        or name == b"traceparent"
        or (name == b"x-client-request-id" and _SIMPLE.fullmatch(value))
    }
    try:
        return {name: value.decode() for name, value in own.items()}
    except UnicodeDecodeError as fault:
        raise Invalid("A header that begins with x-leeway- is not UTF-8.") from fault


def _passed_on(scope: Scope) -> Mapping[str, str]:
    """The headers of a protocol's own that an upstream of the same protocol is sent."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _OF_PROTOCOLS
    }


def _span_id(interaction_id: str) -> str:
    """The call's own span: the random half of its id."""
    return interaction_id.replace("-", "")[16:]


# A client's own id of its request is kept as a tag, if it can be nothing but an id.
_SIMPLE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_OF_PROTOCOLS = frozenset((b"anthropic-version", b"anthropic-beta", b"openai-beta"))
