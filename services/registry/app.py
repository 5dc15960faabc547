"""Composition of the registry: HTTP -> registry -> store -> publisher -> outbox; store -> tail -> gRPC."""

from pathlib import Path

from services.registry.api import Api
from services.registry.registry import Registry
from services.registry.rpc import door_of, services_of
from services.registry.seed import Seeded, seed
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.stream import Publisher
from services.registry.tail import Tail
from shared.clock import Clock, SystemClock
from shared.config import Config
from shared.database import Database
from shared.lifecycle import App, Host
from shared.rpc.health import Health
from shared.rpc.server import RpcServer
from shared.secrets_folder import SecretsFolder

_SYSTEM_CLOCK = SystemClock()


async def prepare(
    settings: Settings,
    data: Path,
    config: Config,
    pepper: bytes,
    clock: Clock = _SYSTEM_CLOCK,
) -> Seeded:
    """Bring the control plane's tables and content up to date: once, before any process starts."""
    async with Database(settings.url(data)) as database:
        await database.migrate()
        return await seed(Store(database), config, pepper, clock.now())


def build(settings: Settings, host: Host) -> App:
    """The registry; it is ready when this process sees all that was wanted at its start."""
    database = Database(settings.url(host.data))
    store = Store(database)
    publisher = Publisher(store, host.outbox, host.clock, interval_seconds=settings.publish_seconds)
    registry = Registry(store, SecretsFolder(host.data).pepper(), host.clock, publisher.wake)

    def ready() -> bool:
        opening = publisher.opening_revision
        return opening is not None and host.live.revision >= opening

    health = Health(serving=False)
    tail = Tail(store, host.clock, health.announce, interval_seconds=settings.publish_seconds)
    door, services = door_of(settings, host.tls), services_of(store, tail, settings)
    server = RpcServer(door, services, host.clock, health, bodies=host.bodies, tracing=host.tracing)
    return App(
        name="registry",
        routes=Api(registry, host.live, host.clock).routes(),
        resources=[database, server] if settings.grpc_port else [database],
        tasks=[publisher.run, tail.run] if settings.grpc_port else [publisher.run],
        ready=ready,
    )
