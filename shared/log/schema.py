"""The tables of an outbox file, how files of earlier versions get theirs, and which life of it is which."""

import sqlite3

from shared.log.seal import value_sum
from shared.log.sealed import EPOCHS, SEALED, Damaged

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    seq INTEGER NOT NULL, key TEXT NOT NULL, event_id TEXT NOT NULL,
    accepted_at_us INTEGER NOT NULL, headers TEXT, value BLOB NOT NULL,
    place_sum INTEGER, value_sum INTEGER);
CREATE TABLE IF NOT EXISTS epochs (
    first_offset INTEGER PRIMARY KEY, epoch TEXT NOT NULL, sum INTEGER);
CREATE TABLE IF NOT EXISTS lanes (
    topic TEXT, partition INTEGER, seq INTEGER NOT NULL, sum INTEGER,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    topic TEXT, event_id TEXT, accepted_at_us INTEGER NOT NULL, digest BLOB,
    PRIMARY KEY (topic, event_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_by_time ON seen (accepted_at_us);
CREATE TABLE IF NOT EXISTS accepted (
    topic TEXT, tenant TEXT, minute INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (topic, tenant, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantined (
    grp TEXT, topic TEXT, tenant TEXT, minute INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, tenant, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_calls (
    call_id TEXT PRIMARY KEY, opened_at_us INTEGER NOT NULL, value BLOB NOT NULL,
    sum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    grp TEXT, source TEXT, next_offset INTEGER NOT NULL, seqs TEXT NOT NULL, sum INTEGER,
    PRIMARY KEY (grp, source)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
    grp TEXT PRIMARY KEY, ranges TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
    grp TEXT, name TEXT, value BLOB NOT NULL, sum INTEGER,
    PRIMARY KEY (grp, name)) WITHOUT ROWID;
"""

# Epochs of which no record is left.
_FORGET_EPOCHS = """
DELETE FROM epochs AS e WHERE NOT EXISTS (
    SELECT 1 FROM records WHERE id >= e.first_offset AND id < coalesce(
        (SELECT min(first_offset) FROM epochs WHERE first_offset > e.first_offset), 9223372036854775807))
"""


def make_tables(db: sqlite3.Connection) -> None:
    """Make what is missing; what is there keeps its rows."""
    db.executescript(_SCHEMA)
    _add_columns(db, "seen", "digest BLOB")
    _add_columns(db, "records", "place_sum INTEGER", "value_sum INTEGER")
    db.execute("BEGIN IMMEDIATE")
    with db:  # commits, or rolls back
        for table in SEALED:
            table.add_seals(db)


def add_epoch(db: sqlite3.Connection, first_offset: int, epoch: str) -> None:
    """Records from an offset on are numbered anew."""
    db.execute(_FORGET_EPOCHS)
    EPOCHS.put(db, [(first_offset, epoch)])


def epoch_of(db: sqlite3.Connection) -> str:
    """The incarnation of a file, empty while it is being made. Raises `sqlite3.DatabaseError` if damaged."""
    meta = dict(db.execute("SELECT CAST(name AS BLOB), CAST(value AS BLOB) FROM meta"))
    epoch: bytes = meta.get(b"epoch", b"")
    if meta.get(b"epoch_sum", b"%d" % value_sum(epoch)) != b"%d" % value_sum(epoch):
        raise sqlite3.DatabaseError("the file's epoch is damaged")
    return epoch.decode()


def epochs(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """From which offset on records are numbered in which epoch, after the first. Raises `Damaged`."""
    return [(int(first), epoch.decode()) for first, epoch in EPOCHS.checked(db)]


def damages(db: sqlite3.Connection) -> list[str]:
    """What is damaged in the tables that steer an outbox, each said once."""
    found = []
    for table in SEALED:
        try:
            table.check(db)
            table.checked(db)
        except Damaged as damage:
            found.append(str(damage))
    return found


def _add_columns(db: sqlite3.Connection, table: str, *columns: str) -> None:
    """Files of earlier versions lack these: an id without a digest conflicts with nothing, and a
    record without sums is believed."""
    there = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
    for column in columns:
        if column.split()[0] not in there:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
