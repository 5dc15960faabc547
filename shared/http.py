"""HTTP edges: who is calling, how much they may send, and the one table from errors to statuses."""

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared.bodies import room_of
from shared.clock import Clock
from shared.errors import Conflict, Denied, Invalid, LeewayError, Limited, NotFound, Unavailable
from shared.live import Caller, LiveView

MAX_BODY_BYTES = 8 * 1024 * 1024

_MAYBE_JSON = frozenset({"", "application/json", "application/octet-stream", "text/json"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class JSONResponse(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def token_of(headers: Mapping[str, str]) -> str:
    """The API key of a request whose caller is known; see `caller_by`."""
    return (
        headers.get("x-api-key", "").strip() or headers["authorization"].partition(" ")[2].strip()
    )


def caller_of(request: Request, live: LiveView, clock: Clock, *scopes: str) -> Caller:
    """Who is calling, by `Authorization: Bearer` or `x-api-key`; raises `Denied` without one of the scopes.

    Both headers are read the same way; two different keys in one request are refused.
    """
    return caller_by(request.headers, live, clock, *scopes)


def caller_by(headers: Mapping[str, str], live: LiveView, clock: Clock, *scopes: str) -> Caller:
    """Who is calling, by headers or by gRPC metadata with lower-case names; see `caller_of`."""
    bearer = headers.get("authorization", "")
    scheme, _, value = bearer.partition(" ")
    tokens = {value.strip()} if scheme.lower() == "bearer" and value.strip() else set()
    if headers.get("x-api-key"):
        tokens.add(headers["x-api-key"].strip())
    if not tokens:
        raise Denied(
            "No API key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.",
            authenticate=True,
        )
    if len(tokens) > 1:
        raise Denied("Two different API keys in one request.", authenticate=True)
    caller = live.caller(tokens.pop(), clock.now())
    if caller.scopes.isdisjoint(scopes):
        lacking = " or ".join(f"'{scope}'" for scope in scopes)
        raise Denied(f"The API key lacks the scope {lacking}.")
    return caller


def require_json(request: Request) -> None:
    """Raise `Invalid` (415) for a body that says it is something else; one that says nothing may be JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MAYBE_JSON and not media_type.endswith("+json"):
        raise Invalid(
            f"A body of type {media_type[:64]!r} is not taken: send it as application/json.",
            code="unsupported_media_type",
            status=415,
        )


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body; raises `Invalid` (413) as soon as it is known to be larger than `limit` bytes.

    Raises `Unavailable` where the process has no room for it (`shared/bodies.py`).
    """
    declared = request.headers.get("content-length", "")
    too_large = Invalid(
        f"The request body is larger than {limit} bytes.", code="body_too_large", status=413
    )
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    room, body = room_of(request.scope), bytearray()
    await room.hold(int(declared) if declared.isdigit() else 0)
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
        await room.hold(len(body))
    return bytes(body)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; raises `Invalid` with what is wrong and where."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Invalid(f"The body is not valid JSON: {fault}.", code="invalid_json") from fault
    if not isinstance(value, dict):
        raise Invalid(f"The body must be a JSON object, not {type(value).__name__}.")
    return value


def header_text(value: str, limit: int = 256) -> str:
    """A header's value that is safe to store and to reflect; raises `Invalid`."""
    if len(value) > limit or _CONTROL.search(value):
        raise Invalid(f"A header's value must be at most {limit} printable characters.")
    return value


def error_response(error: LeewayError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error in OpenAI's format, with the status of its category."""
    status, kind = _status(error)
    extra = dict(headers or {})
    if isinstance(error, Unavailable | Conflict) and error.retry_after_seconds is not None:
        extra |= _patience(error.retry_after_seconds)
    if isinstance(error, Limited):
        extra |= error.headers
    if isinstance(error, Denied) and error.authenticate:
        extra["www-authenticate"] = "Bearer"
    body: dict[str, Any] = {
        "message": error.message,
        "type": kind,
        "param": error.param if isinstance(error, Invalid) else None,
        "code": error.code,
    }
    if isinstance(error, Invalid) and error.faults:
        body["faults"] = list(error.faults)
    return JSONResponse({"error": body}, status_code=status, headers=extra)


def _patience(seconds: float) -> dict[str, str]:
    """`retry-after` in whole seconds, upwards: who waits for it is let in; and the same to the millisecond."""
    milliseconds = max(1, math.ceil(seconds * 1000))
    return {"retry-after": str(math.ceil(milliseconds / 1000)), "retry-after-ms": str(milliseconds)}


def _status(error: LeewayError) -> tuple[int, str]:
    match error:
        case Invalid():
            return error.status, "invalid_request_error"
        case NotFound():
            return 404, "invalid_request_error"
        case Conflict():
            return 409, "conflict_error"
        case Denied():
            return (
                (401, "authentication_error") if error.authenticate else (403, "permission_error")
            )
        case Unavailable():
            limited = isinstance(error, Limited)
            return (429, "rate_limit_error") if limited else (503, "service_unavailable_error")
        case _:
            return 500, "server_error"


async def on_client_left(_: Request, __: Exception) -> Response:
    """Starlette's exception handler for a client that left while it sent its body: nobody is told."""
    return Response(status_code=499)


async def on_leeway_error(_: Request, error: Exception) -> Response:
    """Starlette's exception handler for the whole tree; register it once per HTTP server."""
    assert isinstance(error, LeewayError)
    return error_response(error)
