"""A bare forwarder on Leeway's own HTTP stack: nothing is known, checked, kept or counted of what passes.

It is what this language and this stack allow at most: `python -m benchmarks.serving.forwarder URL` prints its own.
"""

import sys

import uvloop
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from yarl import URL

from services.serving.transport.pools import Pools
from services.serving.transport.port import Place, Post, TransportLimits, place_of
from shared.server import Server
from tests.upstream import a_listener

_HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-stub"}


class Forwarder:
    """The ASGI application: a body in, the upstream's bytes out, as they come."""

    def __init__(self, pools: Pools, place: Place) -> None:
        self._pools = pools
        self._place = place

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        exchange = await self._pools.ask(
            self._place, Post(self._place.path, _HEADERS, await _read(receive))
        )
        try:
            await exchange.head()
            headers = [
                (n.encode(), exchange.headers[n].encode()) for n in _KEPT if n in exchange.headers
            ]
            await send(
                {"type": "http.response.start", "status": exchange.status, "headers": headers}
            )
            while body := await exchange.read():
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            exchange.leave(whole=False)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def main(upstream: str) -> None:
    """Forward to an upstream until the process is ended."""
    place = place_of(URL(f"{upstream}/v1/chat/completions"))
    listener = a_listener()
    async with Pools(TransportLimits()) as pools:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        route = Route(place.path, Forwarder(pools, place), methods=["POST"])
        await Server(Starlette(routes=[route]), drain_seconds=1).serve_on(listener)


_KEPT = ("content-type", "content-length")

if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
