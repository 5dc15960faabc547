"""`leeway prepare`: what must be there before a cluster's first process starts."""

import asyncio
from collections.abc import Mapping

from services.cli.seeding import configured, prepare_control
from services.cli.topics import apply_topics
from services.cluster import cluster_of
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from services.warehouse.access import ANALYSTS, access
from services.warehouse.replicated import Replicated
from services.warehouse.settings import Settings as WarehouseSettings
from shared.clickhouse import ClickHouse, Statements
from shared.config import Config
from shared.migrations import migrate, read_migrations
from shared.secrets_folder import OPERATORS, SecretsFolder


def prepare() -> None:
    """Make the topics, the tables and the users of a cluster, and show the keys that were made, once."""
    installation = Installation()
    before = set(SecretsFolder(installation.data).credentials().keys)
    config = configured(installation)
    asyncio.run(_prepare(installation, config))
    for name, key in SecretsFolder(installation.data).credentials().keys.items():
        if name not in before:
            print(f"{name}  {key}")
    print("Everything is up to date.")


async def _prepare(installation: Installation, config: Config) -> None:
    cluster = cluster_of(installation)
    if cluster is not None:
        await apply_topics(cluster)
    await prepare_control(installation, config, RegistrySettings())
    if installation.clickhouse_url:
        passwords = SecretsFolder(installation.data).credentials().sql_passwords
        async with ClickHouse(installation.clickhouse) as server:
            await prepare_store(server, passwords, WarehouseSettings())


async def prepare_store(
    server: Statements, passwords: Mapping[str, str], settings: WarehouseSettings
) -> None:
    """Bring a ClickHouse server's tables up to date, and its users to the tenants that there are."""
    sharded = bool(settings.cluster)
    store = Replicated(server, settings.cluster) if sharded else server
    await migrate(store, read_migrations(settings.migrations))
    there = [row["user_name"] for row in await server.query(ANALYSTS)]
    tenants = {user: secret for user, secret in passwords.items() if user != OPERATORS}
    for statement in access(tenants, there, sharded=sharded):
        await server.command(statement)
