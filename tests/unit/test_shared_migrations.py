"""Migrations: read in order, applied once, never edited."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from services.warehouse.settings import Settings
from shared.clickhouse import Row, Value
from shared.errors import Conflict, Invalid
from shared.migrations import Migration, migrate, read_migrations

HEADER = "-- What it does.\n-- Owner: drift\n-- Why: because.\n-- Undo: drop it.\n\n"


class FakeStatements:
    """A store that keeps every command, and remembers the migrations inserted into it."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.applied: list[Row] = []

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        self.commands.append(sql)
        if parameters:
            self.applied.append(dict(parameters))

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        return self.applied


def _migration(number: int, body: str = "SELECT 1;") -> Migration:
    return Migration(number, "drift", f"{number:04}_drift_x.sql", HEADER + body)


def test_our_own_migrations_are_in_order() -> None:
    numbers = [migration.number for migration in read_migrations(Settings().migrations)]

    assert numbers == sorted(numbers)


def test_statements_end_a_line_with_a_semicolon() -> None:
    migration = _migration(1, "SELECT ';';\n\nSELECT 'a;b' AS x -- no; end\n;\n")

    assert migration.statements == (HEADER + "SELECT ';'", "SELECT 'a;b' AS x -- no; end")


async def test_each_is_applied_once_in_order() -> None:
    store, migrations = FakeStatements(), [_migration(1), _migration(2)]

    first = await migrate(store, migrations[:1])
    second = await migrate(store, migrations)
    third = await migrate(store, migrations)

    assert ([m.number for m in first], [m.number for m in second], third) == ([1], [2], [])


async def test_an_edited_one_stops_everything() -> None:
    store = FakeStatements()
    await migrate(store, [_migration(1)])
    before = len(store.commands)

    with pytest.raises(Conflict, match=r"0001_drift_x\.sql"):
        await migrate(store, [_migration(1, "SELECT 2;"), _migration(2)])

    assert not any("SELECT 2" in command for command in store.commands[before:])


def test_every_broken_rule_is_told(tmp_path: Path) -> None:
    (tmp_path / "0001_drift_a.sql").write_text(HEADER)
    (tmp_path / "0001_drift_b.sql").write_text(HEADER)
    (tmp_path / "0002_other_a.sql").write_text(HEADER)
    (tmp_path / "x.sql").write_text("SELECT 1;")

    with pytest.raises(Invalid) as refusal:
        read_migrations(tmp_path)

    assert [fault.split(":")[0] for fault in refusal.value.faults] == [
        "0001",
        "0002_other_a.sql",
        "x.sql",
    ]
