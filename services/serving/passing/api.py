"""The HTTP routes of what passes through: the same door as a call's, for JSON and for forms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request as HttpRequest
from starlette.routing import BaseRoute, Route

from services.serving.api import CallRoute, Door, refuse_encoded
from services.serving.client import Client
from services.serving.domain.body import parse_body
from services.serving.domain.gate import Entry
from services.serving.domain.passage import Form
from services.serving.domain.request import Request
from services.serving.passing.calls import PassedCalls
from services.serving.passing.forms import MEDIA_TYPE, body_of, read_form
from services.serving.passing.reading import OPERATIONS, Operation
from shared.http import read_body
from shared.live import Caller


@dataclass(frozen=True, slots=True)
class PassingDoor:
    """What the routes of what passes through are made of: the door of calls, and how large a form may be."""

    door: Door
    calls: PassedCalls
    max_form_bytes: int


class PassRoute(CallRoute):
    """The ASGI application of one operation."""

    def __init__(self, passing: PassingDoor, operation: Operation) -> None:
        super().__init__(passing.door, operation.kind, operation.request)
        self._passing = passing

    async def _call(
        self, http: HttpRequest, caller: Caller, raw: bytes, client: Client, request_id: str
    ) -> None:
        entry = self._read(http, caller, raw, request_id)
        call = await self._passing.calls.begin(entry)
        client.asked()
        await self._passing.calls.answer(call, client)

    def _read(self, http: HttpRequest, caller: Caller, raw: bytes, request_id: str) -> Entry:
        if not is_form(http):
            return self._entry(http.scope, caller, parse_body(raw), request_id)
        form = read_form(http.headers["content-type"], raw)
        entry = self._entry(http.scope, caller, body_of(form), request_id)
        return entry.changed(request=_with_form(entry.request, form))

    async def _body(self, http: HttpRequest) -> bytes:
        if not is_form(http):
            return await super()._body(http)
        refuse_encoded(http)
        return await read_body(http, self._passing.max_form_bytes)


def passing_routes(passing: PassingDoor) -> Sequence[BaseRoute]:
    """A route for each operation."""
    return [
        Route(path, PassRoute(passing, operation), methods=["POST"])
        for path, operation in OPERATIONS.items()
    ]


def is_form(http: HttpRequest) -> bool:
    """Whether a request says that it is a form."""
    media_type = http.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == MEDIA_TYPE


def _with_form(request: Request, form: Form) -> Request:
    assert request.passage is not None, "an operation's reading says how it is passed"
    return replace(request, passage=replace(request.passage, form=form))
