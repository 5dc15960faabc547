"""A process for tests: it builds services as the real one does, and remembers what they asked of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from services.warehouse.settings import Settings as WarehouseSettings
from shared.clock import SimulatedClock
from shared.config import Config
from shared.lifecycle import App, ClickHouseAddress, Host
from shared.live import LiveView
from shared.log.consumer import ConsumerLimits
from shared.log.record import Handler
from shared.topics import Topic
from tests.builders import NOW
from tests.fakes import FakeOutbox


class StillGroup:
    """A group to which nothing ever comes."""

    idle = True
    halted = False

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a service wanted to consume, and with what."""

    group: str
    topics: tuple[Topic, ...]
    handler: Handler


@dataclass(slots=True)
class Hosting:
    """Builds services over an empty configuration, in a folder of their own."""

    folder: Path
    live: LiveView = field(default_factory=lambda: LiveView(b"p" * 32))
    asked: list[Asked] = field(default_factory=list)

    def build(self, service: str) -> App:
        """The service as its own defaults make it; but the warehouse beside its store, not as one with a port."""
        settings = (
            WarehouseSettings(embedded=False)
            if service == "warehouse"
            else import_module(f"services.{service}.settings").Settings()
        )
        host = Host(
            data=self.folder,
            config=Config(),
            clock=SimulatedClock(NOW),
            outbox=FakeOutbox(),
            live=self.live,
            clickhouse=ClickHouseAddress("http://127.0.0.1:1", "leeway", "secret"),
            group=self._group,
        )
        app: App = import_module(f"services.{service}.app").build(settings, host)
        return app

    def _group(
        self, name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
    ) -> StillGroup:
        del limits
        self.asked.append(Asked(name, tuple(topics), handler))
        return StillGroup()
