"""The life of a process: what a service is built from, what it gives, and how it starts and stops."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog
from starlette.routing import BaseRoute

from shared.bodies import Bodies
from shared.clock import Clock
from shared.config import Config
from shared.failpoints import NONE, Failpoints
from shared.live import LiveView
from shared.log.consumer import ConsumerLimits
from shared.log.record import Handler, Outbox
from shared.rpc.tls import TlsFiles
from shared.telemetry.tracing import Tracing
from shared.topics import Topic

log = structlog.get_logger()

Task = Callable[[asyncio.Event], Awaitable[None]]


class Group(Protocol):
    """A group's consumer, as its service runs it."""

    @property
    def idle(self) -> bool:
        """Whether nothing was waiting when it last looked."""
        ...

    @property
    def halted(self) -> bool:
        """Whether it gave up: too many records in a row could not be handled."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; the batch in hand is finished first."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """What a process offers the services placed in it.

    `group` builds the consumer of one group of this process; `live` is the view of what the registry
    says may run; `data` is the folder for files that a service owns; `clickhouse` is where SQL is asked;
    `tls` are the files of the process's certificate, for gRPC, where there is one; `failpoints` are where a
    test wants the process to die; `tracing` opens spans, where traces are wanted; `bodies` is the budget of all
    that the process is sent and holds. `tabled`, where
    there is one, is `group` with the states in a stream table; it ends the process when records wait and none
    was handled for so many seconds.
    """

    data: Path
    config: Config
    clock: Clock
    outbox: Outbox
    live: LiveView
    clickhouse: "ClickHouseAddress"
    group: Callable[[str, Sequence[Topic], Handler, ConsumerLimits], "Group"]
    tls: TlsFiles | None = None
    failpoints: Failpoints = NONE
    tracing: Tracing | None = None
    bodies: Bodies = field(default_factory=Bodies)
    tabled: "Callable[[str, Sequence[Topic], Handler, ConsumerLimits, float], Group] | None" = None


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    """Where and as whom this process asks SQL. The operator's user sees every tenant."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class App:
    """A built service: its HTTP routes, what must be opened before it runs, and what runs.

    `resources` are entered in order and closed in reverse; each task runs until the event is set and
    then ends by itself. `ready` answers whether the service can do its work now.
    """

    name: str
    routes: Sequence[BaseRoute] = ()
    resources: Sequence[AbstractAsyncContextManager[object]] = ()
    tasks: Sequence[Task] = ()
    ready: Callable[[], bool] = lambda: True


class Running:
    """Apps that are open: their tasks run until `stop`, which ends them in reverse order of start."""

    def __init__(self, apps: Sequence[App]) -> None:
        self._apps = apps
        self._stack = AsyncExitStack()
        self._stops: list[tuple[asyncio.Event, list[asyncio.Task[None]]]] = []
        self.failed = asyncio.Event()

    async def start(self) -> None:
        """Open every app's resources and start its tasks, in order."""
        for app in self._apps:
            for resource in app.resources:
                await self._stack.enter_async_context(resource)
            event = asyncio.Event()
            tasks = [asyncio.create_task(self._guard(app.name, task, event)) for task in app.tasks]
            self._stops.append((event, tasks))

    async def _guard(self, name: str, task: Task, stop: asyncio.Event) -> None:
        try:
            await task(stop)
        except Exception:
            log.exception("task.failed", app=name)
            self.failed.set()
            raise

    async def stop(self, deadline_seconds: float) -> None:
        """Let every task end, last started first, then close what was opened, under one deadline."""
        async with asyncio.timeout(deadline_seconds):
            for event, tasks in reversed(self._stops):
                event.set()
                await asyncio.gather(*tasks, return_exceptions=True)
            await self._stack.aclose()
