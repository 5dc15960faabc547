"""The operations port of a process: its metrics, its health, and a file that says where they are."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.server import Server, http_app

DRAIN_SECONDS = 1.0


class OperationsPort:
    """Answers /metrics, /healthz and /readyz of one process while it is entered.

    Workers behind one HTTP port each have one of their own, so that no number is lost among them.
    `<folder>/<process>.json` names it in the form of Prometheus' `file_sd_configs`. `guard` is shown
    the socket that it listens on. The numbers are those of the process, unless `numbers` are others.
    """

    def __init__(
        self,
        process: str,
        folder: Path,
        address: tuple[str, int],
        ready: Callable[[], bool],
        guard: Callable[[socket.socket], None] = lambda _: None,
        numbers: CollectorRegistry = REGISTRY,
    ) -> None:
        self._process = process
        self._file = folder / f"{process}.json"
        self._address = address
        self._guard = guard
        app = http_app([Route("/metrics", self._metrics)], ready)
        self._numbers = numbers
        self._server = Server(app, drain_seconds=DRAIN_SECONDS)
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        host, _ = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        self._guard(listener)
        self._tell(host, listener.getsockname()[1])
        self._serving = asyncio.create_task(self._server.serve_on(listener))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.unlink(missing_ok=True)
        self._server.drain()
        if self._serving is not None:
            await self._serving

    def _tell(self, host: str, port: int) -> None:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        group = {"targets": [target], "labels": {"process": self._process}}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps([group]))
        draft.replace(self._file)

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._numbers), media_type=CONTENT_TYPE_LATEST)
