"""What every HTTP application counts: its requests by route, method and outcome, and their time."""

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.clock import Clock
from shared.metrics import HTTP_REQUESTS, HTTP_SECONDS

UNMATCHED = "unmatched"
LEFT = "left"  # the client had gone before it was answered

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Measured:
    """Counts what passes; labels are templates and classes, never what a client wrote."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        # Finding a child by its labels takes a lock and a tuple; the hot path finds it here.
        self._counters: dict[tuple[str, str, str], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outcome, ended = LEFT, False

        async def told(message: Message) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = f"{message['status'] // 100}xx"
            await send(message)

        began = self._clock.monotonic()
        try:
            await self._app(scope, receive, told)
            ended = True
        finally:
            # What fails before it answers is answered 500 further out.
            self._count(scope, "5xx" if outcome == LEFT and not ended else outcome)
            self._time(scope, self._clock.monotonic() - began)

    def _count(self, scope: Scope, outcome: str) -> None:
        labels = (route_of(scope), method_of(scope), outcome)
        counter = self._counters.get(labels)
        if counter is None:
            counter = self._counters[labels] = HTTP_REQUESTS.labels(*labels)
        counter.inc()

    def _time(self, scope: Scope, seconds: float) -> None:
        labels = (route_of(scope), method_of(scope))
        timer = self._timers.get(labels)
        if timer is None:
            timer = self._timers[labels] = HTTP_SECONDS.labels(*labels)
        timer.observe(seconds)


def route_of(scope: Scope) -> str:
    """The template of the route that took the request, as the router noted it."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def method_of(scope: Scope) -> str:
    """The method, or `other` for what is none of HTTP's."""
    method = str(scope["method"])
    return method if method in _METHODS else "other"
