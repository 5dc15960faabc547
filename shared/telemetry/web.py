"""A span for each HTTP request, named by the template of its route."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.measured import method_of, route_of
from shared.telemetry.tracing import Tracing


class Traced:
    """Opens a span around a request; it continues the trace that the request's `traceparent` names."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = method_of(scope)
        with self._tracing.request(method, _traceparent(scope)) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.tell("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.fail()
                await send(message)

            try:
                await self._app(scope, receive, told)
            finally:
                span.rename(f"{method} {route_of(scope)}")
                span.tell("http.request.method", method)
                span.tell("http.route", route_of(scope))


def _traceparent(scope: Scope) -> str:
    told = (value for name, value in scope["headers"] if name == b"traceparent")
    return next(told, b"").decode("latin-1")
