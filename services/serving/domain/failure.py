"""What goes wrong upstream: what the client is told, and whether another route may do better."""

from collections.abc import Mapping

from shared.errors import LeewayError

# What an upstream says about the request itself: no other upstream would answer better.
_THE_REQUESTS_FAULT = frozenset((400, 405, 406, 411, 413, 415, 422, 451))
# What it says about the account that we call it with: the client's own key is not meant.
_OUR_FAULT = frozenset((401, 403, 407))


class UpstreamFailed(LeewayError):
    """An upstream gave no answer, or (raised by a stream that had begun) not the whole of one.

    `status` is the HTTP status for the client and `upstream_status` the one received, 0 for none.
    `body` is the upstream's own error as a JSON object, to be passed on as it is; empty when it said
    nothing of use. `elsewhere`: another route may do better. `dropped`: the connection ended before a
    byte of a reply, as a kept-alive one does when its server closes it; the same route may be asked again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int = 502,
        upstream_status: int = 0,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        elsewhere: bool = True,
        dropped: bool = False,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.upstream_status = upstream_status
        self.body = body
        self.headers = headers or {}
        self.elsewhere = elsewhere
        self.dropped = dropped


def refused(
    provider: str, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> UpstreamFailed:
    """An error status, with the upstream's own JSON body or none."""
    if status in _OUR_FAULT:
        return UpstreamFailed(
            f"The upstream {provider!r} does not let this installation in (status {status}).",
            code="upstream_denied",
            upstream_status=status,
        )
    return UpstreamFailed(
        f"The upstream {provider!r} answered with status {status}.",
        code="upstream_refused",
        status=status,
        upstream_status=status,
        body=body,
        headers=headers,
        elsewhere=status not in _THE_REQUESTS_FAULT,
    )


def malformed(provider: str, what: str, *, status: int = 200, body: bytes = b"") -> UpstreamFailed:
    """A reply that says it is one and is none: an HTML page, nothing, broken JSON, an error inside a 200."""
    return UpstreamFailed(
        f"The upstream {provider!r} {what}.",
        code="upstream_malformed",
        upstream_status=status,
        body=body,
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
