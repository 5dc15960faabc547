"""An id for every HTTP request, told on its reply: the same under which its traces and records are found."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.ids import new_id

HEADER = b"x-request-id"

_ID = "leeway.request_id"


class Identified:
    """The ASGI middleware that names each reply; one that has named itself keeps its name.

    The id is always ours: what a client writes into a header of this name is not reflected.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and not _named(message["headers"]):
                name = (HEADER, request_id(scope).encode())
                message["headers"] = [*message["headers"], name]
            await send(message)

        await self._app(scope, receive, told)


def request_id(scope: Scope) -> str:
    """The id of a request: made when it is first asked for."""
    known = scope.get(_ID)
    if known is None:
        known = scope[_ID] = new_id()
    return str(known)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    # Every reply passes here: a generator would take twice the time.
    for name, _ in headers:  # noqa: SIM110
        if name == HEADER:
            return True
    return False
