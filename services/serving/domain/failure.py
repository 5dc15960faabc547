"""What goes wrong upstream: what the client is told, and whether another route may do better."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import LeewayError

MAX_REASON_CHARS = 64
MAX_SAID_CHARS = 4_096

# What an upstream says about the request itself: no other upstream would answer better.
_THE_REQUESTS_FAULT = frozenset((400, 405, 406, 411, 413, 415, 422, 451))
# What it says about the account that we call it with: the client's own key is not meant.
_OUR_FAULT = frozenset((401, 403, 407))


@dataclass(frozen=True, slots=True)
class Said:
    """What an upstream said of its error: its own word for the reason, and its sentence; empty for neither."""

    reason: str = ""
    message: str = ""


class UpstreamFailed(LeewayError):
    """An upstream gave no answer, or (raised by a stream that had begun) not the whole of one.

    `status` is the HTTP status for the client and `upstream_status` the one received, 0 for none.
    `body` is the upstream's own error as a JSON object, to be passed on as it is; empty when it said
    nothing of use. `said` is what of it is recorded. `elsewhere`: another route may do better.
    `dropped`: the connection ended before a byte of a reply, as a kept-alive one does when its server
    closes it; the same route may be asked again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int = 502,
        upstream_status: int = 0,
        body: bytes = b"",
        said: Said | None = None,
        headers: Mapping[str, str] | None = None,
        elsewhere: bool = True,
        dropped: bool = False,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.upstream_status = upstream_status
        self.body = body
        self.said = said or Said()
        self.headers = headers or {}
        self.elsewhere = elsewhere
        self.dropped = dropped

    @property
    def error_type(self) -> str:
        """Our code, and after a colon the upstream's own word where it said one."""
        return f"{self.code}:{self.said.reason}" if self.said.reason else self.code


def refused(
    provider: str, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> UpstreamFailed:
    """An error status, with the upstream's own JSON body (or none), in which no secret is left."""
    said = said_in(body)
    if status in _OUR_FAULT:
        return UpstreamFailed(
            f"The upstream {provider!r} does not let this installation in (status {status}).",
            code="upstream_denied",
            upstream_status=status,
            # Its sentence tells of our account, and often repeats a part of our key.
            said=Said(said.reason),
        )
    return UpstreamFailed(
        f"The upstream {provider!r} answered with status {status}.",
        code="upstream_refused",
        status=status,
        upstream_status=status,
        body=body,
        said=said,
        headers=headers,
        elsewhere=status not in _THE_REQUESTS_FAULT,
    )


def errored(provider: str, what: str, body: bytes) -> UpstreamFailed:
    """An error that an upstream told inside of a reply with status 200, or of its stream."""
    return UpstreamFailed(
        f"The upstream {provider!r} {what}.",
        code="upstream_error",
        upstream_status=200,
        body=body,
        said=said_in(body),
    )


def malformed(provider: str, what: str, *, status: int = 200) -> UpstreamFailed:
    """A reply that says it is one and is none: an HTML page, nothing, broken JSON."""
    return UpstreamFailed(
        f"The upstream {provider!r} {what}.",
        code="upstream_malformed",
        upstream_status=status,
    )


def unreachable(provider: str, what: str, *, dropped: bool = False) -> UpstreamFailed:
    """No connection, or one that ended too soon."""
    return UpstreamFailed(
        f"The upstream {provider!r} {what}.", code="upstream_unreachable", dropped=dropped
    )


def timed_out(provider: str) -> UpstreamFailed:
    """No byte within the time an upstream is given."""
    return UpstreamFailed(
        f"The upstream {provider!r} did not answer in time.", code="upstream_timeout", status=504
    )


def overdue() -> UpstreamFailed:
    """The time is over that the client gave the whole call; whose fault that is, is not said."""
    return UpstreamFailed(
        "The call was not answered within the time that its client gives it.",
        code="deadline_exceeded",
        status=504,
        elsewhere=False,
    )


def misconfigured(message: str) -> UpstreamFailed:
    """A provider that cannot be asked as it is set up: the operator's to mend."""
    return UpstreamFailed(message, code="provider_misconfigured", status=503)


def said_in(body: bytes) -> Said:
    """What an error's JSON says, in any of the shapes that servers of OpenAI's protocol give it.

    >>> said_in(b'{"error": {"message": "Slow down.", "type": "requests", "code": "rate limit"}}')
    Said(reason='rate_limit', message='Slow down.')
    >>> said_in(b'{"error": "model is loading"}'), said_in(b"<html>")
    (Said(reason='', message='model is loading'), Said(reason='', message=''))
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Said()
    match tree:
        case {"error": str(message)}:
            return Said(message=message[:MAX_SAID_CHARS])
        case {"error": dict(error)} | dict(error):
            return Said(_reason(error), _text(error.get("message"))[:MAX_SAID_CHARS])
        case _:
            return Said()


def _reason(error: Mapping[str, Any]) -> str:
    """The first of the words by which errors are named; a number says no more than the status."""
    words = (_text(error.get(name)) for name in ("code", "type", "status"))
    word = next((word for word in words if word and not word.isdecimal()), "")
    return _NOT_IN_A_REASON.sub("_", word[:MAX_REASON_CHARS])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


_NOT_IN_A_REASON = re.compile(r"[^A-Za-z0-9_.-]+")
