"""What a try at an upstream came to, and what that says of the upstream, of its key, and of trying again."""

from enum import StrEnum

from services.serving.domain.failure import UpstreamFailed


class Outcome(StrEnum):
    """One word for each way in which a try ends; metrics count by it."""

    OK = "ok"
    LEFT = "left"  # the client went away, or another try of a hedge was faster
    REFUSED = "refused"  # the request's own fault
    DENIED = "denied"  # the key's
    LIMITED = "limited"  # too many requests or tokens for now
    FAILED = "failed"  # a status of 5xx, an error in a 200 or in a stream
    MALFORMED = "malformed"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"

    @property
    def is_fault(self) -> bool:
        """Whether it speaks against the upstream: a breaker counts it."""
        return self in _FAULTS

    @property
    def can_pass(self) -> bool:
        """Whether the same upstream may answer the same request a moment later.

        Not one that ran out of time, which may be at work on it still; nor one whose answer cannot be read,
        which has been paid for.
        """
        return self in _PASSING


_FAULTS = frozenset((Outcome.FAILED, Outcome.MALFORMED, Outcome.TIMED_OUT, Outcome.UNREACHABLE))
_PASSING = frozenset((Outcome.FAILED, Outcome.UNREACHABLE))


def outcome_of(failure: UpstreamFailed) -> Outcome:
    """The word for a failure.

    >>> from services.serving.domain.failure import errored, refused, timed_out
    >>> said = b'{"error": {"code": "rate_limit_exceeded"}}'
    >>> [str(outcome_of(each)) for each in (refused("a", 503, b""), errored("a", "", said), timed_out("a"))]
    ['failed', 'limited', 'timed_out']
    """
    if failure.said.reason in _OUT_OF_CREDIT:
        return Outcome.DENIED
    if failure.upstream_status >= 400:
        return _by_status(failure.upstream_status)
    if _RATE_LIMIT in failure.said.reason:
        return Outcome.LIMITED
    return _BY_CODE.get(failure.code, Outcome.FAILED)


def is_too_long(failure: UpstreamFailed) -> bool:
    """Whether the upstream says that the request does not fit its context window."""
    return failure.said.reason in _TOO_LONG


def may_repeat(failure: UpstreamFailed) -> bool:
    """Whether the same upstream may be asked again, now or when it says; OpenAI says so in a header."""
    told = failure.headers.get("x-should-retry", "").lower()
    if told in ("true", "false"):
        return told == "true"
    outcome = outcome_of(failure)
    return outcome.can_pass or (
        outcome is Outcome.LIMITED and not _WHEN.isdisjoint(failure.headers)
    )


def cost_free(failure: UpstreamFailed) -> bool:
    """Whether nothing is charged: no request that is refused by its status is, by any provider."""
    return failure.upstream_status >= 400


def _by_status(status: int) -> Outcome:
    if status >= 500 or status == 408:
        return Outcome.FAILED
    return _BY_STATUS.get(status, Outcome.REFUSED)


_BY_STATUS = {
    401: Outcome.DENIED,
    403: Outcome.DENIED,
    407: Outcome.DENIED,
    429: Outcome.LIMITED,
}
_BY_CODE = {
    "upstream_timeout": Outcome.TIMED_OUT,
    "upstream_unreachable": Outcome.UNREACHABLE,
    "upstream_malformed": Outcome.MALFORMED,
    "provider_misconfigured": Outcome.MISCONFIGURED,
    "deadline_exceeded": Outcome.LEFT,
}
_WHEN = frozenset(("retry-after", "retry-after-ms"))
_RATE_LIMIT = "rate_limit"
# Told with a status of 429, and no waiting helps.
_OUT_OF_CREDIT = frozenset(("insufficient_quota", "billing_hard_limit_reached"))
_TOO_LONG = frozenset(("context_length_exceeded", "request_too_large"))
