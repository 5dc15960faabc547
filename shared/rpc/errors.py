"""The one table between errors and gRPC statuses, read in both directions."""

from collections.abc import Mapping

import grpc

from shared.errors import Conflict, Denied, Invalid, LeewayError, NotFound, Unavailable

_CODES: Mapping[type[LeewayError], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_CATEGORIES = {code: category for category, code in _CODES.items()}

# What gRPC says of a TLS handshake that failed, and what a person can do about it.
_HANDSHAKES: Mapping[str, str] = {
    "certificate has expired": "its certificate has expired",
    "Hostname Verification Check failed": "its certificate does not bear this name",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not of the CA that is trusted here",
    "BAD_SIGNATURE": "its certificate is not of the CA that is trusted here",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "Socket closed": "it closed the connection, as a peer does that refuses the certificate shown, or got none",
}


def status_of(error: LeewayError) -> grpc.StatusCode:
    """The status code of an error's category."""
    if isinstance(error, Denied) and error.authenticate:
        return grpc.StatusCode.UNAUTHENTICATED
    codes = (code for category, code in _CODES.items() if isinstance(error, category))
    return next(codes, grpc.StatusCode.INTERNAL)


def trailers_of(error: LeewayError) -> tuple[tuple[str, str], ...]:
    """What travels behind the status: the error's code, and for how long clients shall not try again.

    `grpc-retry-pushback-ms` is what gRPC's own retries obey (gRFC A6).
    """
    told = (("leeway-code", error.code),)
    if isinstance(error, Unavailable) and error.retry_after_seconds is not None:
        return (*told, ("grpc-retry-pushback-ms", str(round(error.retry_after_seconds * 1000))))
    return told


def error_of(failure: grpc.aio.AioRpcError, peer: str) -> LeewayError:
    """The error that a call's failure is, here; what has no category of its own is `Unavailable`."""
    code, details = failure.code(), failure.details() or ""
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Denied(f"{peer}: {details}", authenticate=True)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable(f"{peer} did not answer in time.")
    if "last error:" in details:  # no connection, and why
        return Unavailable(f"{peer} cannot be reached: {_handshake(details) or details}.")
    category = _CATEGORIES.get(code, Unavailable)
    return category(f"{peer}: {details or code.name}")


def _handshake(details: str) -> str | None:
    return next((meaning for mark, meaning in _HANDSHAKES.items() if mark in details), None)
