"""A real store for tests: the engine in a folder, migrated, behind its SQL interface on a free port."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.usage_pb2 import UsageRated

from services.warehouse.endpoint.listener import Listener
from services.warehouse.endpoint.service import SqlInterface
from services.warehouse.engine import Engine
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, FactStore, read_schemas
from services.warehouse.stream import Sink
from services.warehouse.users import Users
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.lifecycle import ClickHouseAddress
from shared.log.record import Record
from shared.migrations import migrate, read_migrations
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED, Topic

OPERATOR, PASSWORD = "leeway", "operators' own"
TENANTS: Mapping[str, str] = {"acme": "acme's own", "beta": "beta's own"}
ACCEPTED_AT_US = 1_767_225_600_000_000  # 2026-01-01


@dataclass(frozen=True, slots=True)
class Store:
    """A store that runs: where it answers, and its engine."""

    url: str
    port: int
    engine: Engine

    def client(self, user: str = OPERATOR, password: str = "") -> ClickHouse:
        known = {OPERATOR: PASSWORD, **TENANTS}
        return ClickHouse(ClickHouseAddress(self.url, user, password or known[user]))


@asynccontextmanager
async def a_store(folder: Path, port: int = 0) -> AsyncIterator[Store]:
    settings = Settings()
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    async with Engine(folder / "store") as engine:
        await migrate(engine, read_migrations(settings.migrations))
        users = Users(OPERATOR, PASSWORD, lambda: TENANTS, lambda: TENANTS)
        async with Listener(SqlInterface(engine, users).app(), listener):
            yield Store(f"http://127.0.0.1:{port}", port, engine)


def a_sink(client: ClickHouse) -> Sink:
    store = FactStore(client, read_schemas(Settings().protos))
    return Sink(store, {table.topic.name: table.name for table in FACT_TABLES}, SystemClock())


def an_interaction(number: int, tenant: str = "acme", **fields: object) -> InteractionCompleted:
    return InteractionCompleted(
        **{  # type: ignore[arg-type]
            "interaction_id": f"{tenant}-{number:06}",
            "tenant": tenant,
            "kind": "chat",
            "status": "ok",
            "request_model": "small",
            "started_at_us": ACCEPTED_AT_US + number * 1_000_000,
            "ended_at_us": ACCEPTED_AT_US + number * 1_000_000 + 250_000,
            **fields,
        }
    )


def a_usage(number: int, tenant: str = "acme", **fields: object) -> UsageRated:
    return UsageRated(
        **{  # type: ignore[arg-type]
            "usage_id": f"{tenant}-{number:06}",
            "interaction_id": f"{tenant}-{number:06}",
            "tenant": tenant,
            "status": "priced",
            "started_at_us": ACCEPTED_AT_US + number * 1_000_000,
            **fields,
        }
    )


def a_record(value: bytes, seq: int, topic: Topic = INTERACTION_COMPLETED) -> Record:
    return Record(
        source="edge-0.db",
        offset=seq - 1,
        topic=topic.name,
        partition=3,
        producer="edge-0",
        epoch="e1",
        seq=seq,
        key="acme",
        event_id=f"event-{seq}",
        accepted_at_us=ACCEPTED_AT_US + seq,
        value=value,
    )


def interactions(numbers: range, tenant: str = "acme") -> list[Record]:
    return [
        a_record(an_interaction(number, tenant).SerializeToString(), number + 1)
        for number in numbers
    ]


def usages(numbers: range, tenant: str = "acme") -> list[Record]:
    return [
        a_record(
            a_usage(number, tenant, cost_usd="0.000000000000000001").SerializeToString(),
            number + 1,
            USAGE_RATED,
        )
        for number in numbers
    ]
