"""The few rows of an outbox that steer it, each with a checksum: what is damaged is told, and never gone by."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.log.seal import row_sum
from shared.topics import ALL

WHOLE = "ok"  # what SQLite says of a table that is whole

_GROUPS = frozenset(group for topic in ALL for group in topic.consumers)

Value = bytes | str | int


class Damaged(sqlite3.DatabaseError):
    """What stands in a table is not what was written there."""


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row as it is found: its columns as bytes, and whether they are what was written."""

    columns: Sequence[bytes]
    sound: bool

    @property
    def owner(self) -> str:
        """Its first column: the group, in a table of groups."""
        return self.columns[0].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table whose last column is the sum of the others."""

    name: str
    columns: Sequence[str]

    def add_seals(self, db: sqlite3.Connection) -> None:
        """Give a table of an earlier version its sums, of what is there; within a transaction."""
        if "sum" not in self._found(db):
            rows = db.execute(f"SELECT * FROM {self.name}").fetchall()  # noqa: S608 (a name of ours)
            db.execute(f"ALTER TABLE {self.name} ADD COLUMN sum INTEGER")
            self.put(db, rows)

    def add(self, db: sqlite3.Connection, rows: Iterable[Sequence[Value]]) -> None:
        """Store rows whose keys are new."""
        self._insert(db, "INSERT", rows)

    def put(self, db: sqlite3.Connection, rows: Iterable[Sequence[Value]]) -> None:
        """Store rows, in the place of those that have their keys."""
        self._insert(db, "INSERT OR REPLACE", rows)

    def rows(self, db: sqlite3.Connection, where: str = "", *names: str) -> list[SealedRow]:
        """Every row, or those of which something holds; in a file of an earlier version they have no sums."""
        there = self._found(db)
        if not there:
            return []
        columns = ", ".join(f"coalesce(CAST({name} AS BLOB), x'')" for name in self.columns)
        has_sums = "sum" in there
        told = "sum" if has_sums else "NULL"
        found = db.execute(f"SELECT {told}, {columns} FROM {self.name} {where}", names)  # noqa: S608
        return [SealedRow(row, not has_sums or told == row_sum(*row)) for told, *row in found]

    def checked(self, db: sqlite3.Connection) -> list[Sequence[bytes]]:
        """The columns of every row. Raises `Damaged`."""
        return [self._sound(row) for row in self.rows(db)]

    def of_group(self, db: sqlite3.Connection, group: str) -> list[Sequence[bytes]]:
        """The columns of a group's rows. Raises `Damaged` for one of them, and for one that may be any group's."""
        others = sorted(_GROUPS - {group})
        # A search by the key would trust an order that damage may have changed: `+` forbids it.
        where = f"WHERE (+grp IN ({', '.join('?' * len(others))})) IS NOT TRUE"
        rows = self.rows(db, where, *others)
        return [self._sound(row) for row in rows if row.owner == group or not row.sound]

    def check(self, db: sqlite3.Connection) -> None:
        """Raises `Damaged` when rows may be missing: SQLite finds that the pages do not hold what they should."""
        (told,) = db.execute(f"PRAGMA quick_check({self.name})").fetchone()
        if told != WHOLE:
            raise Damaged(f"{self.name} is damaged: {told}")

    def _insert(self, db: sqlite3.Connection, verb: str, rows: Iterable[Sequence[Value]]) -> None:
        marks = ", ".join("?" * (len(self.columns) + 1))
        db.executemany(
            f"{verb} INTO {self.name} VALUES ({marks})",
            [(*row, row_sum(*map(_stored, row))) for row in rows],
        )

    def _sound(self, row: SealedRow) -> Sequence[bytes]:
        if not row.sound:
            raise Damaged(f"{self.name} is damaged: a row is not what its checksum says")
        return row.columns

    def _found(self, db: sqlite3.Connection) -> frozenset[str]:
        """The columns that it has in this file."""
        return frozenset(name for _, name, *_ in db.execute(f"PRAGMA table_info({self.name})"))


EPOCHS = SealedTable("epochs", ("first_offset", "epoch"))
LANES = SealedTable("lanes", ("topic", "partition", "seq"))
OPEN_CALLS = SealedTable("open_calls", ("call_id", "opened_at_us", "value"))
POSITIONS = SealedTable("positions", ("grp", "source", "next_offset", "seqs"))
INTENTS = SealedTable("intents", ("grp", "ranges"))
STATES = SealedTable("states", ("grp", "name", "value"))

SEALED = (EPOCHS, LANES, OPEN_CALLS, POSITIONS, INTENTS, STATES)


def _stored(value: Value) -> bytes:
    """As SQLite casts it to bytes."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else b"%d" % value
