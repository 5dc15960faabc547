"""The HTTP server of a process: the routes of its apps on a socket that somebody else opened."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from shared.arrival import Arrival, ArrivalConfig
from shared.bodies import Bodies, Housed
from shared.clock import SystemClock
from shared.errors import Invalid, LeewayError, Unavailable
from shared.http import error_response, on_client_left, on_leeway_error
from shared.identified import HEADER, Identified, request_id
from shared.measured import Measured
from shared.telemetry.tracing import Tracing
from shared.telemetry.web import Traced

# Longer than clients and load balancers keep an idle connection (aiohttp 15 s, most balancers 60 s):
# who closes first must be the one that knows it sends nothing more.
KEEP_ALIVE_SECONDS = 75
LINGER_SECONDS = 1.0


def http_app(
    routes: Sequence[BaseRoute],
    ready: Callable[[], bool],
    tracing: Tracing | None = None,
    bodies: Bodies | None = None,
) -> Starlette:
    """The routes, with health and readiness, every request named and counted (and traced), every error in one format.

    All their bodies share one budget.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ready\n") if ready() else PlainTextResponse("starting\n", 503)

    traced = [] if tracing is None else [Middleware(Traced, tracing=tracing)]
    own = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
    return Starlette(
        routes=[*own, *routes],
        middleware=[
            *traced,
            Middleware(Identified),
            Middleware(Measured, clock=SystemClock()),
            Middleware(Housed, bodies=bodies or Bodies()),
        ],
        exception_handlers={
            ClientDisconnect: on_client_left,
            LeewayError: on_leeway_error,
            HTTPException: _on_http_exception,
            MemoryError: _on_no_memory,
            500: _on_crash,
        },
    )


class Server(uvicorn.Server):
    """Uvicorn that leaves signals to the process: `drain` ends it, in-flight requests first."""

    def __init__(
        self, app: Starlette, *, drain_seconds: float, arrival: Arrival | None = None
    ) -> None:
        self._arrivals = ArrivalConfig(
            app,
            arrival or Arrival(),
            linger_seconds=min(LINGER_SECONDS, drain_seconds / 10),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(drain_seconds),
        )
        super().__init__(self._arrivals)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    async def serve_on(self, listener: socket.socket) -> None:
        """Answer on the socket until `drain`."""
        await self.serve(sockets=[listener])

    def drain(self) -> None:
        """Accept nothing new, let what is in flight or on its way end, then return from `serve_on`."""
        self._arrivals.draining = True
        self.should_exit = True


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _REFUSALS.get(error.status_code, ("http_error", error.detail))
    return error_response(Invalid(message, code=code, status=error.status_code), error.headers)


async def _on_no_memory(_: Request, __: Exception) -> Response:
    return error_response(
        Unavailable("The process has no memory left for this.", retry_after_seconds=2.0)
    )


async def _on_crash(request: Request, _: Exception) -> Response:
    # Answered outside of every middleware.
    name = {HEADER.decode(): request_id(request.scope)}
    return error_response(LeewayError("Something went wrong here; it was logged."), name)


_REFUSALS = {
    404: ("not_found", "There is no such path here."),
    405: ("method_not_allowed", "The path does not take this method."),
}
