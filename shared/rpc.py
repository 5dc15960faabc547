"""gRPC edges: the one table from errors to status codes, and who is calling."""

from collections.abc import Mapping

import grpc
from grpc.aio import Metadata, ServicerContext

from shared.clock import Clock
from shared.errors import Conflict, Denied, Invalid, LeewayError, NotFound, Unavailable
from shared.http import caller_by
from shared.live import Caller, LiveView

_CODES: Mapping[type[LeewayError], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}


def caller_of(
    context: "ServicerContext[object, object]", live: LiveView, clock: Clock, scope: str
) -> Caller:
    """Who is calling, by the metadata `authorization` or `x-api-key`; raises `Denied`."""
    metadata = context.invocation_metadata() or Metadata()
    headers = {key: value for key, value in metadata if isinstance(value, str)}
    return caller_by(headers, live, clock, scope)


async def abort(context: "ServicerContext[object, object]", error: LeewayError) -> None:
    """End the call with the status of the error's category and its one sentence."""
    await context.abort(status_of(error), error.message)


def status_of(error: LeewayError) -> grpc.StatusCode:
    """The status code of an error's category."""
    if isinstance(error, Denied) and error.authenticate:
        return grpc.StatusCode.UNAUTHENTICATED
    codes = (code for category, code in _CODES.items() if isinstance(error, category))
    return next(codes, grpc.StatusCode.INTERNAL)
