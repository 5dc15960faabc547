"""The warehouse, built: the engine and its SQL port when embedded, the migrations, and the sink."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.warehouse.endpoint.listener import Listener
from services.warehouse.endpoint.service import SqlInterface
from services.warehouse.engine import Engine, EngineLimits
from services.warehouse.replicated import Replicated
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, GROUP, FactStore, read_schemas
from services.warehouse.stream import Sink, traced
from services.warehouse.users import Users
from shared.clickhouse import ClickHouse, Statements
from shared.lifecycle import App, Host
from shared.log.consumer import ConsumerLimits
from shared.migrations import migrate, read_migrations
from shared.secrets_folder import SecretsFolder


def build(settings: Settings, host: Host) -> App:
    """The store opens and migrates before its port answers, and the sink starts after that."""
    clickhouse = ClickHouse(host.clickhouse)
    store = FactStore(clickhouse, read_schemas(settings.protos), host.failpoints)
    inserts = traced(store, host.tracing)
    sink = Sink(inserts, {table.topic.name: table.name for table in FACT_TABLES}, host.clock)
    limits = ConsumerLimits(
        max_records=settings.batch_records, max_age_seconds=settings.batch_seconds
    )
    topics = [table.topic for table in FACT_TABLES]
    consumer = host.group(GROUP, topics, sink, limits)
    if not settings.embedded:
        return App(
            "warehouse",
            resources=(clickhouse, _migrated(settings, clickhouse)),
            tasks=[consumer.run],
        )
    engine = Engine(host.data / "warehouse" / "store", _engine_limits(settings))
    listener = Listener(SqlInterface(engine, _users(host)).app(), _socket(settings))
    return App(
        "warehouse",
        resources=(engine, _migrated(settings, engine), listener, clickhouse),
        tasks=[consumer.run],
        ready=lambda: engine.ready,
    )


def _engine_limits(settings: Settings) -> EngineLimits:
    return EngineLimits(
        readers=settings.readers,
        writers=settings.writers,
        memory_bytes=settings.memory_bytes,
        memory_share=settings.memory_share,
    )


def _users(host: Host) -> Users:
    secrets = SecretsFolder(host.data)
    operator = host.clickhouse
    return Users(
        operator.user,
        operator.password,
        passwords=lambda: secrets.credentials().sql_passwords,
        live=lambda: host.live.tenants,
    )


@asynccontextmanager
async def _migrated(settings: Settings, statements: Statements) -> AsyncIterator[None]:
    target = Replicated(statements, settings.cluster) if settings.cluster else statements
    await migrate(target, read_migrations(settings.migrations))
    yield


def _socket(settings: Settings) -> socket.socket:
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    return socket.create_server((settings.listen_host, settings.listen_port))
