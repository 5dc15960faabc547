"""Servers on loopback that keep what they were sent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


async def _fine(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


class LoopbackServer:
    """An HTTP server on a free port; `answer` answers everything."""

    def __init__(self, answer: Answer = _fine, *, address: str = "127.0.0.1") -> None:
        self.answer = answer
        self._address = address
        self.requests: list[Received] = []
        self.port = 0

    def url(self, path: str) -> str:
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self.port}{path}"

    async def _on_request(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        kept = Received(request.method, request.path_qs, dict(request.headers), body)
        self.requests.append(kept)
        return await self.answer(request)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._on_request)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
