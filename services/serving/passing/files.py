"""The HTTP routes of files and batches: ids in and out are sealed to the tenant that asks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services.serving.api import CALLS, SCOPE, refuse_encoded
from services.serving.domain.body import Body, parse_body
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.gate import Entry
from services.serving.inflight import InFlight
from services.serving.passing.api import is_form
from services.serving.passing.forms import read_form
from services.serving.passing.ids import Held, Ids, What
from services.serving.passing.lines import lines_of
from services.serving.passing.store import Store, bare_request
from services.serving.protocols.dialect import dialect_of
from services.serving.replies import refusal
from shared.clock import Clock
from shared.errors import Invalid
from shared.http import JSONResponse, caller_of, read_body, require_json
from shared.identified import request_id
from shared.interactions import Context
from shared.live import Caller, LiveView

Endpoint = Callable[[HttpRequest], Awaitable[Response]]

_EMPTY = Body({}, {})
# Of a batch's own fields guards read what people write: its metadata.
_NO_TEXT = frozenset(("input_file_id", "endpoint", "completion_window"))
# What a batch may ask: what is answered whole, in OpenAI's protocol.
_READERS = {path: CALLS[path] for path in CALLS if path != "/v1/messages"}


@dataclass(frozen=True, slots=True)
class StoreDoor:
    """What the routes of files and batches are made of."""

    store: Store
    ids: Ids
    live: LiveView
    clock: Clock
    in_flight: InFlight
    max_body_bytes: int
    max_form_bytes: int


class _Streamed(StreamingResponse):
    """A reply as it comes; what it is read from is closed however it ends."""

    def __init__(self, chunks: AsyncIterator[bytes], source: AsyncExitStack) -> None:
        super().__init__(chunks, media_type="application/jsonl")
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source:
            await super().__call__(scope, receive, send)


class StoreRoutes:
    """Files and batches over HTTP."""

    def __init__(self, door: StoreDoor) -> None:
        self._door = door

    def routes(self) -> Sequence[BaseRoute]:
        """Every path of them."""
        return [
            Route("/v1/files", self._told(self.upload), methods=["POST"]),
            Route("/v1/files/{id}", self._told(self._thing("file", "GET")), methods=["GET"]),
            Route("/v1/files/{id}", self._told(self._thing("file", "DELETE")), methods=["DELETE"]),
            Route("/v1/files/{id}/content", self._told(self.content), methods=["GET"]),
            Route("/v1/batches", self._told(self.create), methods=["POST"]),
            Route("/v1/batches/{id}", self._told(self._thing("batch", "GET")), methods=["GET"]),
            Route(
                "/v1/batches/{id}/cancel",
                self._told(self._thing("batch", "POST", "/cancel")),
                methods=["POST"],
            ),
        ]

    async def upload(self, http: HttpRequest) -> Response:
        """POST /v1/files: a batch's file, each line of which passes the gate."""
        caller = self._caller(http)
        refuse_encoded(http)
        if not is_form(http):
            raise Invalid("A file comes as a form.", code="unsupported_media_type", status=415)
        raw = await read_body(http, self._door.max_form_bytes)
        form = read_form(http.headers["content-type"], raw)
        purpose, span = form.fields.get("purpose"), form.files.get("file")
        if purpose is None or purpose.text != "batch" or span is None:
            raise Invalid(
                "A file is taken for a batch alone: 'purpose' must be batch, and 'file' there.",
                param="purpose",
                code="unsupported_operation",
            )
        lines = lines_of(form.raw[span.start : span.end], _READERS)
        entry = Entry(request_id(http.scope), caller, lines[0].request, Context())
        return JSONResponse(await self._door.store.upload(entry, lines, form))

    async def create(self, http: HttpRequest) -> Response:
        """POST /v1/batches."""
        caller = self._caller(http)
        require_json(http)
        refuse_encoded(http)
        body = parse_body(await read_body(http, self._door.max_body_bytes))
        given, endpoint = body.tree.get("input_file_id"), body.tree.get("endpoint")
        held = self._door.ids.opened(caller.tenant, "file", given if isinstance(given, str) else "")
        entry = self._entry(http, caller, held)
        known = _READERS.get(endpoint) if isinstance(endpoint, str) else None
        if known is None or known[0] is not entry.request.kind:
            raise Invalid("'endpoint' must be that of the file's lines.", param="endpoint")
        entry = entry.changed(request=replace(entry.request, body=body.without(_NO_TEXT)))
        return JSONResponse(await self._door.store.create(entry, held, body))

    async def content(self, http: HttpRequest) -> Response:
        """GET /v1/files/{id}/content."""
        entry, held = self._held(http, "file")
        async with AsyncExitStack() as stack:
            stack.enter_context(self._door.in_flight.one())
            chunks = await stack.enter_async_context(self._door.store.content(entry, held))
            return _Streamed(chunks, stack.pop_all())

    def _thing(self, what: What, method: str, verb: str = "") -> Endpoint:
        async def endpoint(http: HttpRequest) -> Response:
            entry, held = self._held(http, what)
            return JSONResponse(await self._door.store.ask(entry, what, held, method, verb))

        return endpoint

    def _told(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, which a process that stops waits for; what an upstream says of an error is told as it is."""

        async def answered(http: HttpRequest) -> Response:
            with self._door.in_flight.one():
                try:
                    return await endpoint(http)
                except UpstreamFailed as failure:
                    name = request_id(http.scope)
                    refused = refusal(failure, dialect_of("chat"), name, of_a_call=False)
                    response = Response(refused.body, refused.status)
                    response.raw_headers = list(refused.headers)
                    return response

        return answered

    def _held(self, http: HttpRequest, what: What) -> tuple[Entry, Held]:
        caller = self._caller(http)
        held = self._door.ids.opened(caller.tenant, what, http.path_params["id"])
        return self._entry(http, caller, held), held

    def _entry(self, http: HttpRequest, caller: Caller, held: Held) -> Entry:
        return Entry(request_id(http.scope), caller, bare_request(held, _EMPTY), Context())

    def _caller(self, http: HttpRequest) -> Caller:
        return caller_of(http, self._door.live, self._door.clock, SCOPE)
