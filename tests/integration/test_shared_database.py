"""The control database: its migrations, its transactions, and its writers one after another."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from services.registry.tables import INSTALLATION, METADATA, PROJECTS
from shared.clock import from_micros
from shared.database import Database
from shared.errors import Unavailable


async def test_the_migrations_make_exactly_the_tables_that_the_registry_knows(
    control_url: str,
) -> None:
    async with Database(control_url) as database:
        await database.migrate()

        async with database.reading() as connection:
            differences = await connection.run_sync(
                lambda sync: compare_metadata(
                    MigrationContext.configure(sync, opts={"include_name": _is_ours}), METADATA
                )
            )

    assert differences == []


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name in METADATA.tables


async def test_migrating_twice_changes_nothing(control_url: str) -> None:
    async with Database(control_url) as database:
        await database.migrate()
        async with database.writing() as connection:
            await connection.execute(insert(INSTALLATION).values(installation_id="kept"))

        await database.migrate()

        async with database.reading() as connection:
            assert await connection.scalar(select(INSTALLATION.c.installation_id)) == "kept"


async def test_a_transaction_that_raises_leaves_nothing(control_url: str) -> None:
    async with Database(control_url) as database:
        await database.migrate()

        with pytest.raises(ZeroDivisionError):
            await _write_and_fail(database)

        async with database.reading() as connection:
            assert await connection.scalar(select(INSTALLATION.c.installation_id)) is None


async def test_a_row_refers_to_a_tenant_that_is_there(control_url: str) -> None:
    async with Database(control_url) as database:
        await database.migrate()

        with pytest.raises(IntegrityError):
            await _write_a_project_of_nobody(database)


async def test_writers_of_two_processes_go_one_after_another(control_url: str) -> None:
    seen: list[str] = []

    async def write(database: Database, name: str) -> None:
        async with database.writing() as connection:
            seen.append(f"{name} begins")
            await connection.execute(insert(INSTALLATION).values(installation_id=name))
            seen.append(f"{name} ends")

    async with Database(control_url) as one, Database(control_url) as two:
        await one.migrate()
        await asyncio.gather(write(one, "a"), write(two, "b"))

    assert sorted([seen[:2], seen[2:]]) == [["a begins", "a ends"], ["b begins", "b ends"]]


async def test_a_writer_that_waits_too_long_is_told_to_try_again(control_url: str) -> None:
    async with Database(control_url) as one, Database(control_url, busy_seconds=0.01) as two:
        await one.migrate()

        async with one.writing():
            with pytest.raises(Unavailable, match="does not answer"):
                await _write_and_fail(two)


async def test_a_migration_that_gets_no_turn_is_told_to_try_again(control_url: str) -> None:
    async with Database(control_url) as one, Database(control_url, busy_seconds=0.01) as two:
        await one.migrate()

        async with one.writing():
            with pytest.raises(Unavailable, match="does not answer"):
                await two.migrate()


async def _write_and_fail(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(INSTALLATION).values(installation_id="x"))
        raise ZeroDivisionError


async def _write_a_project_of_nobody(database: Database) -> None:
    at = from_micros(0)
    row = {
        "entity_id": "nobody/web",
        "tenant": "nobody",
        "project": "web",
        "origin": "api",
        "deleted": False,
        "created_at": at,
        "changed_at": at,
        "changed_by": "test",
    }
    async with database.writing() as connection:
        await connection.execute(insert(PROJECTS).values(row))
