"""The warehouse as a process builds it: what is accepted into the log can be asked in SQL, and the books add up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.warehouse.app import build
from services.warehouse.settings import Settings
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.config import Config
from shared.errors import Invalid
from shared.lifecycle import ClickHouseAddress, Host, Running
from shared.live import LiveView
from shared.log.accounting import books, log_side
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact, Handler
from shared.secrets_folder import Credentials, SecretsFolder
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED, Topic
from tests.stores import a_usage, an_interaction

ACCEPTED, POISONED = 120, 3


@asynccontextmanager
async def _a_warehouse(data: Path) -> AsyncIterator[tuple[Host, ClickHouse]]:
    """The warehouse over a log of its own; it runs until the context ends."""
    clock, secrets = SystemClock(), SecretsFolder(data)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    address = ClickHouseAddress(url, secrets.operator_user, secrets.operator_password())
    async with SqliteOutbox(data / "log" / "core.db", clock) as outbox:

        def group(
            name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
        ) -> Consumer:
            source = FolderLog(data / "log")
            return Consumer(name, topics, source, outbox, handler, limits, clock)

        host = Host(data, Config(), clock, outbox, LiveView(b"p" * 32), address, group)
        running = Running([build(Settings(listen_fd=listener.detach()), host)])
        await running.start()
        async with ClickHouse(address) as client:
            yield host, client
        await running.stop(10)


async def _rows(client: ClickHouse, sql: str, expected: int) -> None:
    async with asyncio.timeout(10):
        while (await client.query(sql))[0]["n"] != expected:
            pass


async def test_what_is_accepted_can_be_asked_and_the_books_add_up(tmp_path: Path) -> None:
    async with _a_warehouse(tmp_path) as (host, client):
        facts = [
            Fact(INTERACTION_COMPLETED, "acme", f"i-{n}", an_interaction(n).SerializeToString())
            for n in range(ACCEPTED)
        ]
        poison = [Fact(USAGE_RATED, "acme", f"p-{n}", b"\xff\xff") for n in range(POISONED)]
        priced = Fact(USAGE_RATED, "acme", "u", a_usage(1, cost_usd="0.5").SerializeToString())

        await host.outbox.append([*facts, *poison, priced])
        await _rows(client, "SELECT sum(facts) AS n FROM leeway.stored", ACCEPTED + 1)

        rows = await client.query(
            "SELECT topic, tenant, intDiv(toUnixTimestamp(minute), 60) AS at, sum(facts) AS n"
            " FROM leeway.stored GROUP BY topic, tenant, at"
        )
    stored = {(row["topic"], row["tenant"], row["at"]): row["n"] for row in rows}
    entries = books(log_side(tmp_path / "log"), stored)
    assert sum(entry.accepted for entry in entries) == ACCEPTED + POISONED + 1
    assert sum(entry.quarantined for entry in entries) == POISONED
    assert [entry.missing for entry in entries] == [0] * len(entries)


async def test_a_second_start_finds_everything_and_migrates_nothing(tmp_path: Path) -> None:
    async with _a_warehouse(tmp_path) as (host, client):
        value = an_interaction(1).SerializeToString()
        await host.outbox.append([Fact(INTERACTION_COMPLETED, "acme", "i", value)])
        await _rows(client, "SELECT count() AS n FROM leeway.calls_v1", 1)
        applied = await client.query("SELECT name, applied_at FROM leeway.migrations ORDER BY name")

    async with _a_warehouse(tmp_path) as (_, client):
        await _rows(client, "SELECT sum(facts) AS n FROM leeway.stored", 1)
        again = await client.query("SELECT name, applied_at FROM leeway.migrations ORDER BY name")
        assert again == applied


async def test_a_live_tenants_password_works_from_the_moment_it_is_kept(tmp_path: Path) -> None:
    async with _a_warehouse(tmp_path) as (host, _):
        SecretsFolder(host.data).remember(Credentials(sql_passwords={"acme": "own"}))
        async with ClickHouse(ClickHouseAddress(host.clickhouse.url, "acme", "own")) as tenant:
            with pytest.raises(Invalid, match="Authentication failed"):
                await tenant.query("SELECT 1")

            change = RegistryChanged(entity="tenant", entity_id="acme", revision=1, body='{"a": 1}')
            host.live.apply(change)

            assert await tenant.query("SELECT count() AS n FROM leeway.calls_v1") == [{"n": 0}]
