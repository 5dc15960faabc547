"""A registry on a file of its own, whose facts a test can read and fold."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.registry.app import build, prepare
from services.registry.seed import Seeded
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.stream import Publisher
from shared.clock import Clock, SimulatedClock
from shared.config import Config
from shared.database import Database
from shared.lifecycle import ClickHouseAddress, Host
from shared.live import LiveView
from shared.log.consumer import Consumer
from shared.log.record import Outbox
from shared.secrets_folder import SecretsFolder
from shared.server import http_app
from tests.fakes import FakeOutbox
from tests.upstream import served

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Installation:
    """A data folder with its control plane, the facts that were told, and the view that they fold to."""

    data: Path
    database_url: str = ""  # empty: a file in the data folder
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START))
    outbox: FakeOutbox = field(default_factory=FakeOutbox)

    def __post_init__(self) -> None:
        self.pepper = SecretsFolder(self.data).pepper()
        self.live = LiveView(self.pepper)
        self.settings = Settings(database_url=SecretStr(self.database_url))

    async def prepare(self, config: Config) -> Seeded:
        return await prepare(self.settings, self.data, config, self.pepper, self.clock)

    @asynccontextmanager
    async def publisher(self, outbox: FakeOutbox | None = None) -> AsyncIterator[Publisher]:
        async with Database(self.settings.url(self.data)) as database:
            yield Publisher(
                Store(database), outbox or self.outbox, self.clock, interval_seconds=0.2
            )

    async def tell(self) -> list[RegistryChanged]:
        """Tell what is new, fold it, and return it."""
        before = len(self.outbox.facts)
        async with self.publisher() as publisher:
            await publisher.publish()
        new = [RegistryChanged.FromString(fact.value) for fact in self.outbox.facts[before:]]
        for change in new:
            self.live.apply(change)
        return new

    @asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the registry's routes; its tasks do not run: `tell` does their work."""
        app = build(self.settings, self._host())
        transport = httpx.ASGITransport(http_app(app.routes, app.ready))
        async with (
            app.resources[0],
            httpx.AsyncClient(transport=transport, base_url="http://registry") as client,
        ):
            yield client

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The URL of the registry on a free port."""
        app = build(self.settings, self._host())
        async with app.resources[0], served(http_app(app.routes, app.ready)) as urls:
            yield urls[0]

    def _host(self) -> Host:
        return a_host(self.data, self.clock, self.outbox, self.live)


def a_host(data: Path, clock: Clock, outbox: Outbox, live: LiveView) -> Host:
    """A process with a registry in it, and nothing that consumes."""

    def no_group(*_: Any) -> Consumer:
        raise AssertionError("the registry consumes nothing")

    return Host(
        data=data,
        config=Config(),
        clock=clock,
        outbox=outbox,
        live=live,
        clickhouse=ClickHouseAddress("", "", ""),
        group=no_group,
    )


def bearer(token: str) -> dict[str, str]:
    """The header of a key."""
    return {"authorization": f"Bearer {token}"}


def told(changes: Sequence[RegistryChanged]) -> list[tuple[str, str, bool]]:
    """What changed, and whether it went."""
    return [(change.entity, change.entity_id, change.deleted) for change in changes]
