"""ClickHouse migrations: numbered files of plain SQL, applied in order, once, and never edited after."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.clickhouse import Statements
from shared.errors import Conflict, Invalid

_NAME = re.compile(r"(\d{4})_([a-z]+)_[a-z0-9_]+\.sql")
_HEADER = re.compile(r"-- \S[^\n]*\n-- Owner: (\w+)\n-- Why: \S[^\n]*\n-- Undo: \S[^\n]*\n\n")
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")

_LEDGER = """
CREATE TABLE IF NOT EXISTS leeway.migrations (
    number UInt32,
    name String,
    sha256 FixedString(64),
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `NNNN_owner_what.sql`, four header lines, statements that each end a line with `;`."""

    number: int
    owner: str
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The checksum by which an edited file is found out."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements, in order. Each can be run again, since a crash may have come between two."""
        parts = (part.strip() for part in _STATEMENT_END.split(self.text))
        return tuple(part for part in parts if part)


def read_migrations(folder: Path) -> Sequence[Migration]:
    """The folder's migrations by number; raises `Invalid` with every file that breaks the rules."""
    migrations, faults = [], []
    for path in sorted(folder.glob("*.sql")):
        name, text = _NAME.fullmatch(path.name), path.read_text(encoding="utf-8")
        header = _HEADER.match(text)
        if name is None or header is None or header[1] != name[2]:
            faults.append(f"{path.name}: expected NNNN_owner_what.sql and its four header lines")
        else:
            migrations.append(Migration(int(name[1]), name[2], path.name, text))
    numbers = [migration.number for migration in migrations]
    faults += [f"{number:04}: used twice" for number in set(numbers) if numbers.count(number) > 1]
    if faults:
        raise Invalid("The migrations are not in order.", faults=tuple(sorted(faults)))
    return migrations


async def migrate(store: Statements, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Apply what the store has not seen, in order, and return it. Raises as `pending` does."""
    await store.command("CREATE DATABASE IF NOT EXISTS leeway")
    await store.command(_LEDGER)
    waiting = await pending(store, migrations)
    for migration in waiting:
        await _apply(store, migration)
    return waiting


async def pending(store: Statements, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """What the store has not seen, in order.

    Raises `Conflict` when a file that was applied reads otherwise now: then nothing may be applied.
    """
    rows = await store.query("SELECT name, toString(sha256) AS sha256 FROM leeway.migrations")
    applied = {row["name"]: row["sha256"] for row in rows}
    edited = [m.name for m in migrations if applied.get(m.name, m.sha256) != m.sha256]
    if edited:
        raise Conflict(f"Migrations were edited after they were applied: {', '.join(edited)}.")
    return [m for m in migrations if m.name not in applied]


async def _apply(store: Statements, migration: Migration) -> None:
    for statement in migration.statements:
        await store.command(statement)
    await store.command(
        "INSERT INTO leeway.migrations (number, name, sha256)"
        " SELECT {number:UInt32}, {name:String}, {sha256:String}",
        {"number": migration.number, "name": migration.name, "sha256": migration.sha256},
    )
