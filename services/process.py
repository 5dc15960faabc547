"""One process: its outbox, its view of what is live, the services placed in it, and its HTTP port."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
import uvloop

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.placement import GROUPS, build_apps
from services.settings import Installation
from shared.arrival import Arrival
from shared.clock import Clock, SystemClock
from shared.config.loader import load_config
from shared.lifecycle import App, ClickHouseAddress, Host, Running
from shared.live import LiveView
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.follow import Follower
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler, Record
from shared.log.trim import Trimmer
from shared.logs import log_to
from shared.operations import OperationsPort
from shared.secrets_folder import SecretsFolder
from shared.server import Server, http_app
from shared.topics import REGISTRY_CHANGED, Topic

log = structlog.get_logger()

SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Placement:
    """What this process is: its name (which names its outbox), its services, and its inherited files.

    `listen_fd` is the socket of its HTTP port, or None; a byte on `ready_fd` says that it serves, and
    the end of `lifeline_fd` that its supervisor is gone.
    """

    name: str
    services: tuple[str, ...]
    listen_fd: int | None = None
    ready_fd: int | None = None
    lifeline_fd: int | None = None
    sql_port: int = 8123


class Process:
    """Builds everything in the order data flows, runs until told to stop, and closes in reverse."""

    def __init__(self, placement: Placement, installation: Installation) -> None:
        self._placement = placement
        self._installation = installation
        self._clock: Clock = SystemClock()
        self._consumers: list[Consumer] = []
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Live until SIGTERM, SIGINT or the end of the supervisor."""
        self._listen_to_signals()
        async with AsyncExitStack() as stack:
            outbox = await stack.enter_async_context(self._outbox())
            host, follower = self._host(outbox)
            platform = Running([self._platform_app(outbox, follower)])
            apps = build_apps(self._placement.services, host)
            running = Running(apps)

            def ready() -> bool:
                return follower.caught_up.is_set() and all(app.ready() for app in apps)

            await stack.enter_async_context(self._operations(ready))
            # No door opens before the view is whole: a caller whose key is not there yet would be refused.
            await platform.start()
            await self._until(follower.caught_up.is_set, platform)
            await running.start()
            await self._until(ready, platform, running)
            server = self._server(apps, ready)
            serving = asyncio.create_task(self._serve(server))
            if ready():
                self._announce()
            await self._until_stopped(platform, running)
            server.drain()
            await serving
            await self._settle()
            for part in (running, platform):
                await part.stop(self._installation.drain_seconds)
        log.info("process.ended", name=self._placement.name)

    def _outbox(self) -> SqliteOutbox:
        return SqliteOutbox(
            self._installation.log_folder / f"{self._placement.name}.db",
            self._clock,
            synchronous=self._installation.log_synchronous,
        )

    def _host(self, outbox: SqliteOutbox) -> tuple[Host, Follower]:
        secrets = SecretsFolder(self._installation.data)
        live = LiveView(secrets.pepper())

        def apply(record: Record) -> None:
            live.apply(RegistryChanged.FromString(record.value))

        def group(
            name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
        ) -> Consumer:
            consumer = Consumer(name, topics, self._log(), outbox, handler, limits, self._clock)
            self._consumers.append(consumer)
            return consumer

        host = Host(
            data=self._installation.data,
            config=load_config(self._installation.config_path, os.environ),
            clock=self._clock,
            outbox=outbox,
            live=live,
            clickhouse=ClickHouseAddress(
                url=f"http://127.0.0.1:{self._placement.sql_port}",
                user=secrets.operator_user,
                password=secrets.operator_password(),
            ),
            group=group,
            tls=self._installation.tls,
        )
        return host, Follower(REGISTRY_CHANGED, self._log(), apply, self._clock)

    def _log(self) -> FolderLog:
        return FolderLog(self._installation.log_folder)

    def _platform_app(self, outbox: SqliteOutbox, follower: Follower) -> App:
        trimmer = Trimmer(self._placement.name, outbox, self._log(), GROUPS, self._clock)
        return App("platform", tasks=[follower.run, trimmer.run])

    def _operations(self, ready: Callable[[], bool]) -> OperationsPort:
        installation = self._installation
        return OperationsPort(
            self._placement.name,
            installation.data / "operations",
            (installation.operations_host, installation.operations_port),
            ready,
        )

    def _server(self, apps: Sequence[App], ready: Callable[[], bool]) -> Server:
        routes = [route for app in apps for route in app.routes]
        installation = self._installation
        arrival = Arrival(installation.header_seconds, installation.body_seconds)
        return Server(
            http_app(routes, ready), drain_seconds=installation.drain_seconds, arrival=arrival
        )

    async def _serve(self, server: Server) -> None:
        if self._placement.listen_fd is not None:
            await server.serve_on(socket.socket(fileno=self._placement.listen_fd))

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

    async def _settle(self) -> None:
        """Let the groups finish what is already in the log, so that a stop leaves nothing behind."""
        deadline = self._clock.monotonic() + SETTLE_SECONDS
        quiet = 0
        while self._consumers and quiet < 3 and self._clock.monotonic() < deadline:
            quiet = quiet + 1 if all(c.idle or c.halted for c in self._consumers) else 0
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
    log_to(installation.log_file)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Process(placement, installation).run())
