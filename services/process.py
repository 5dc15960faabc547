"""One process: its outbox, its view of what is live, the services placed in it, and its HTTP port."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog
import uvloop

from services.allocator import give_back_large_blocks
from services.backbone.backbone import Backbone
from services.openapi import description_route
from services.operations import OperationsPort
from services.placement import Placement, build_apps, build_backbone
from services.settings import Installation
from services.tracing import traced, tracing_of
from services.watchdog import Watchdog
from shared.arrival import Arrival
from shared.bodies import Bodies
from shared.clock import Clock, SystemClock
from shared.lifecycle import App, Running
from shared.log.outbox import SqliteOutbox
from shared.logs import log_to
from shared.server import Server, http_app
from shared.telemetry.tracing import Tracing

log = structlog.get_logger()

SETTLE_SECONDS = 5.0
# How long a thread that computes may keep the others waiting: each hop of storing waits for it (default: 5 ms).
SWITCH_SECONDS = 0.0005


class Process:
    """Builds everything in the order data flows, runs until told to stop, and closes in reverse."""

    def __init__(self, placement: Placement, installation: Installation) -> None:
        self._placement = placement
        self._installation = installation
        self._clock: Clock = SystemClock()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Live until SIGTERM, SIGINT or the end of the supervisor."""
        self._listen_to_signals()
        async with AsyncExitStack() as stack:
            tracing = tracing_of(self._installation, self._placement.name)
            if tracing is not None:
                stack.push_async_callback(tracing.close)
            outbox = await stack.enter_async_context(self._outbox())
            backbone = build_backbone(self._placement, self._installation, outbox, self._clock)
            platform = Running([App("platform", tasks=backbone.tasks)])
            apps = build_apps(self._placement.services, traced(backbone.host, tracing))
            running = Running(apps)
            seen = backbone.view.caught_up.is_set

            def ready() -> bool:
                return seen() and all(app.ready() for app in apps)

            watchdog = Watchdog(self._clock, limit_seconds=self._installation.stall_seconds)
            await stack.enter_async_context(watchdog)
            await stack.enter_async_context(self._operations(ready, watchdog))
            # No door opens before the view is whole: a caller whose key is not there yet would be refused.
            await platform.start()
            if backbone.view_first:
                await self._until(seen, platform)
            await running.start()
            await self._until(ready, platform, running)
            server = self._server(apps, ready, tracing, backbone.host.bodies)
            serving = asyncio.create_task(self._serve(server, apps))
            if ready():
                self._announce()
            await self._until_stopped(platform, running)
            log.info("process.draining", name=self._placement.name)
            server.drain()
            await serving
            await self._settle(backbone)
            for part in (running, platform):
                await part.stop(self._installation.drain_seconds)
        log.info("process.ended", name=self._placement.name)

    def _outbox(self) -> SqliteOutbox:
        return SqliteOutbox(
            self._installation.log_folder / f"{self._placement.name}.db",
            self._clock,
            synchronous=self._installation.log_synchronous,
            forwarded=bool(self._installation.kafka),
        )

    def _operations(self, ready: Callable[[], bool], watchdog: Watchdog) -> OperationsPort:
        installation = self._installation
        return OperationsPort(
            self._placement.name,
            installation.data / "operations",
            (installation.operations_host, installation.operations_port),
            ready,
            watchdog.guard,
        )

    def _server(
        self,
        apps: Sequence[App],
        ready: Callable[[], bool],
        tracing: Tracing | None,
        bodies: Bodies,
    ) -> Server:
        own = [route for app in apps for route in app.routes]
        routes = [*own, description_route(own)]
        installation = self._installation
        arrival = Arrival(installation.header_seconds, installation.body_seconds)
        return Server(
            http_app(routes, ready, tracing, bodies),
            drain_seconds=installation.drain_seconds,
            arrival=arrival,
        )

    async def _serve(self, server: Server, apps: Sequence[App]) -> None:
        """Answer HTTP where there is something to answer: on the port inherited, or one of our own."""
        installation = self._installation
        if self._placement.listen_fd is not None:
            await server.serve_on(socket.socket(fileno=self._placement.listen_fd))
        elif any(app.routes for app in apps):
            await server.serve_on(socket.create_server((installation.host, installation.port)))

    async def _until(self, condition: Callable[[], bool], *parts: Running) -> None:
        """Wait for a condition, but no longer than the process is to live."""
        while not (condition() or self._stop.is_set() or any(p.failed.is_set() for p in parts)):
            await self._clock.sleep(0.02)

    def _announce(self) -> None:
        if self._placement.ready_fd is not None:
            os.write(self._placement.ready_fd, b"1")
        log.info("process.ready", name=self._placement.name, services=self._placement.services)

    async def _until_stopped(self, *parts: Running) -> None:
        ends = [self._stop, *(part.failed for part in parts)]
        waits = [asyncio.ensure_future(end.wait()) for end in ends]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def _settle(self, backbone: Backbone) -> None:
        """Let what is already in the log be handled, so that a stop leaves nothing behind."""
        deadline = self._clock.monotonic() + SETTLE_SECONDS
        quiet = 0
        while quiet < 3 and self._clock.monotonic() < deadline:
            quiet = quiet + 1 if backbone.settled else 0
            await self._clock.sleep(0.2)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if self._placement.lifeline_fd is not None:
            watch = threading.Thread(
                target=_await_end, args=(self._placement.lifeline_fd, loop, self._stop), daemon=True
            )
            watch.start()


def _await_end(fd: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(fd, 1):
        pass
    loop.call_soon_threadsafe(stop.set)


def main(placement: Placement, installation: Installation) -> None:
    """Run the process to its end."""
    os.umask(0o077)  # what it writes is for its owner alone
    log_to(installation.log_file)
    give_back_large_blocks()
    sys.setswitchinterval(SWITCH_SECONDS)
    os.nice(installation.nice)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Process(placement, installation).run())
