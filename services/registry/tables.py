"""The registry's tables, as infra/postgres/versions makes them."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from shared.clock import from_micros, micros


class Instant(TypeDecorator[datetime]):
    """An aware time as microseconds since the Unix epoch: the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else from_micros(value)


METADATA = MetaData()


def _entity_table(name: str, *columns: Column[object], tenant: bool = False) -> Table:
    """A table of entities: its identity, the fields of the dataclass, and what happened to it last."""
    of_tenant = [Column("tenant", Text, ForeignKey("tenants.entity_id"), nullable=False)]
    return Table(
        name,
        METADATA,
        Column("entity_id", Text, primary_key=True),
        *(of_tenant if tenant else []),
        *columns,
        Column("origin", Text, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("changed_at", Instant, nullable=False),
        Column("changed_by", Text, nullable=False),
    )


INSTALLATION = Table("installation", METADATA, Column("installation_id", Text, primary_key=True))
TENANTS = _entity_table(
    "tenants",
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("policy", JSON, nullable=False, server_default="{}"),
)
PROJECTS = _entity_table(
    "projects",
    Column("project", Text, nullable=False),
    Column("policy", JSON, nullable=False, server_default="{}"),
    tenant=True,
)
ENVIRONMENTS = _entity_table(
    "environments", Column("environment", Text, nullable=False), tenant=True
)
KEYS = _entity_table(
    "keys",
    Column("key_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("expires_at", Instant),
    Column("revoked", Boolean, nullable=False),
    Column("policy", JSON, nullable=False, server_default="{}"),
    tenant=True,
)
Index("keys_by_tenant_and_name", KEYS.c.tenant, KEYS.c.name)
PROVIDERS = _entity_table(
    "providers",
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("api_key", Text, nullable=False),
    Column("options", JSON, nullable=False),
)
MODELS = _entity_table(
    "models",
    Column("name", Text, nullable=False),
    Column("routes", JSON, nullable=False),
    Column("fallbacks", JSON, nullable=False),
    Column("policy", JSON, nullable=False, server_default="{}"),
)
STOPS = _entity_table(
    "stops",
    Column("what", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
CHANGES = Table(
    "changes",
    METADATA,
    Column(
        "revision",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("tenant", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("claimed_until", Instant, nullable=False),
    Column("published_at", Instant),
    sqlite_autoincrement=True,
)
_UNPUBLISHED = text("published_at IS NULL")
Index(
    "changes_unpublished",
    CHANGES.c.revision,
    sqlite_where=_UNPUBLISHED,
    postgresql_where=_UNPUBLISHED,
)
