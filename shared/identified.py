"""An id for every HTTP request, told on its reply: the same under which its traces and records are found."""

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
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name == HEADER for name, _ in headers):
                    message["headers"] = [*headers, (HEADER, request_id(scope).encode())]
            await send(message)

        await self._app(scope, receive, told)


def request_id(scope: Scope) -> str:
    """The id of a request: made when it is first asked for."""
    known = scope.get(_ID)
    if known is None:
        known = scope[_ID] = new_id()
    return str(known)
