"""What can go wrong, as a tree that every edge maps once.

LeewayError
├── Invalid       the request is wrong; every fault is listed (HTTP 400 or the status given)
├── NotFound      no such thing (404)
├── Conflict      the thing is in another state (409)
├── Denied        unknown caller, or not allowed (401 when `authenticate`, else 403)
├── Unavailable   try again later (503)
│   └── Limited   a limit of the caller is reached for now (429)
└── Rejected      a record that will never work: it goes to the dead-letter topic
"""

from collections.abc import Mapping


class LeewayError(Exception):
    """An error with one sentence that a stranger can act on, and a machine-readable code."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).__name__.lower()


class Invalid(LeewayError):
    """The input is wrong; `faults` names each fault, `status` the HTTP status where 400 is too coarse."""

    def __init__(
        self,
        message: str,
        *,
        faults: tuple[str, ...] = (),
        param: str | None = None,
        code: str = "invalid_request",
        status: int = 400,
    ) -> None:
        super().__init__(message, code=code)
        self.faults = faults
        self.param = param
        self.status = status


class NotFound(LeewayError):
    """There is no such thing, or none that this caller may see."""


class Conflict(LeewayError):
    """The thing exists, but in a state that forbids the request; for now, when it says for how long."""

    def __init__(
        self, message: str, *, code: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Denied(LeewayError):
    """The caller is unknown (`authenticate`), or known and not allowed."""

    def __init__(self, message: str, *, authenticate: bool = False, code: str = "") -> None:
        super().__init__(message, code=code or ("invalid_api_key" if authenticate else "denied"))
        self.authenticate = authenticate


class Unavailable(LeewayError):
    """It would work later: a queue is full, a store is down, a limit is reached for now."""

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Limited(Unavailable):
    """A limit of the caller is reached for now; `headers` tell where it stands."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float,
        code: str = "rate_limit_exceeded",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds, code=code)
        self.headers = headers or {}


class Rejected(LeewayError):
    """A record that can never be handled; `reason` goes into the dead-letter headers."""
