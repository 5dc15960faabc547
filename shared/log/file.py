"""One outbox file: an append-only SQLite database (WAL) that one process writes and any may read."""

import fcntl
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from shared.clock import from_micros, micros
from shared.errors import Conflict
from shared.ids import new_id
from shared.log.record import DeadLetter, Fact, OpenCall, Position, Record

MINUTE_US = 60_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    seq INTEGER NOT NULL, key TEXT NOT NULL, event_id TEXT NOT NULL,
    accepted_at_us INTEGER NOT NULL, headers TEXT, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lanes (
    topic TEXT, partition INTEGER, seq INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    topic TEXT, event_id TEXT, accepted_at_us INTEGER NOT NULL,
    PRIMARY KEY (topic, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted (
    topic TEXT, tenant TEXT, minute INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (topic, tenant, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantined (
    grp TEXT, topic TEXT, tenant TEXT, minute INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, tenant, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_calls (
    call_id TEXT PRIMARY KEY, opened_at_us INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    grp TEXT, source TEXT, next_offset INTEGER NOT NULL, seqs TEXT NOT NULL,
    PRIMARY KEY (grp, source)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (grp TEXT PRIMARY KEY, ranges TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
    grp TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (grp, name)) WITHOUT ROWID;
"""

Ranges = Mapping[str, tuple[int, int]]
"""Per source the first offset of a batch and the offset after its last."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A group's step: its new positions, the records it gives up on, its new states."""

    group: str
    positions: Mapping[str, Position]
    dead_letters: Sequence[DeadLetter] = ()
    states: Mapping[str, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """What one caller wants stored, all or nothing."""

    facts: Sequence[Fact] = ()
    opens: Sequence[OpenCall] = ()
    closes: Sequence[str] = ()
    commit: Commit | None = None
    intent: tuple[str, Ranges] | None = None


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group had stored when it last stepped; `intent` names a batch begun and not ended."""

    positions: Mapping[str, Position]
    states: Mapping[str, bytes]
    intent: Ranges | None


class OutboxFile:
    """The writing side of an outbox file. Not thread-safe: one thread uses it."""

    def __init__(self, path: Path, *, synchronous: str = "NORMAL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._lanes: dict[tuple[str, int], int] = {}

    def open(self) -> None:
        """Create or open the file. Raises `Conflict` while another process has it open for writing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._path.with_suffix(".lock"))
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={self._synchronous}")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (new_id(),))
        self._reload_lanes()

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()
        self._lock.close()

    def write(self, writes: Sequence[Write], now_us: int) -> None:
        """Store all of the writes in one transaction; on any error none of them is stored."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for write in writes:
                self._apply(write, now_us)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK") if self._db.in_transaction else None
            self._reload_lanes()
            raise

    def trim(self, before_offset: int, keep_topics: Iterable[str], seen_before_us: int) -> int:
        """Delete records before an offset, but those of `keep_topics`; returns how many went."""
        kept = list(keep_topics)
        marks = ",".join("?" * len(kept))
        gone = self._db.execute(
            f"DELETE FROM records WHERE id < ? AND topic NOT IN ({marks})",  # noqa: S608 (marks only)
            (before_offset, *kept),
        ).rowcount
        self._db.execute("DELETE FROM seen WHERE accepted_at_us < ?", (seen_before_us,))
        return gone

    def orphans(self) -> list[OpenCall]:
        """The calls opened and not closed."""
        rows = self._db.execute("SELECT call_id, opened_at_us, value FROM open_calls")
        return [OpenCall(call_id, from_micros(at), value) for call_id, at, value in rows]

    def group(self, name: str) -> GroupState:
        """What a group has stored here."""
        rows = self._db.execute(
            "SELECT source, next_offset, seqs FROM positions WHERE grp = ?", (name,)
        )
        positions = {source: Position(offset, json.loads(seqs)) for source, offset, seqs in rows}
        states = dict(self._db.execute("SELECT name, value FROM states WHERE grp = ?", (name,)))
        intent = self._db.execute("SELECT ranges FROM intents WHERE grp = ?", (name,)).fetchone()
        return GroupState(positions, states, _ranges(intent[0]) if intent else None)

    def _apply(self, write: Write, now_us: int) -> None:
        self._append(write.facts, now_us)
        for call in write.opens:
            self._db.execute(
                "INSERT INTO open_calls VALUES (?, ?, ?)",
                (call.call_id, micros(call.opened_at), call.value),
            )
        for call_id in write.closes:
            self._db.execute("DELETE FROM open_calls WHERE call_id = ?", (call_id,))
        if write.intent is not None:
            group, ranges = write.intent
            self._db.execute(
                "INSERT OR REPLACE INTO intents VALUES (?, ?)", (group, json.dumps(ranges))
            )
        if write.commit is not None:
            self._step(write.commit, now_us)

    def _append(self, facts: Sequence[Fact], now_us: int) -> None:
        counts: Counter[tuple[str, str]] = Counter()
        for fact in facts:
            if not self._first_time(fact, now_us):
                continue
            partition = fact.topic.partition(fact.key)
            self._insert(
                fact.topic.name, partition, fact.key, fact.event_id, now_us, None, fact.value
            )
            counts[fact.topic.name, fact.key] += 1
        for (topic, tenant), n in counts.items():
            self._db.execute(
                "INSERT INTO accepted VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (topic, tenant, now_us // MINUTE_US, n),
            )

    def _first_time(self, fact: Fact, now_us: int) -> bool:
        """Whether this tenant's id is new: another tenant may choose the same one."""
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)",
            (fact.topic.name, f"{fact.key}/{fact.event_id}", now_us),
        )
        return inserted.rowcount == 1

    def _insert(
        self,
        topic: str,
        partition: int,
        key: str,
        event_id: str,
        now_us: int,
        headers: str | None,
        value: bytes,
    ) -> None:
        lane = (topic, partition)
        seq = self._lanes[lane] = self._lanes.get(lane, 0) + 1
        self._db.execute(
            "INSERT INTO records (topic, partition, seq, key, event_id, accepted_at_us, headers, value)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (topic, partition, seq, key, event_id, now_us, headers, value),
        )
        self._db.execute("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?)", (topic, partition, seq))

    def _step(self, commit: Commit, now_us: int) -> None:
        for letter in commit.dead_letters:
            self._bury(commit.group, letter, now_us)
        for name, value in commit.states.items():
            if value is None:
                self._db.execute(
                    "DELETE FROM states WHERE grp = ? AND name = ?", (commit.group, name)
                )
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO states VALUES (?, ?, ?)", (commit.group, name, value)
                )
        for source, position in commit.positions.items():
            self._db.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                (commit.group, source, position.next_offset, json.dumps(dict(position.seqs))),
            )
        self._db.execute("DELETE FROM intents WHERE grp = ?", (commit.group,))

    def _bury(self, group: str, letter: DeadLetter, now_us: int) -> None:
        record = letter.record
        headers = {
            "group": group,
            "reason": letter.reason,
            "origin": f"{record.lane}#{record.seq}",
            "accepted_at_us": str(record.accepted_at_us),
        }
        topic = f"{record.topic}.dlq"
        event_id = record.event_id
        self._insert(
            topic, record.partition, record.key, event_id, now_us, json.dumps(headers), record.value
        )
        self._db.execute(
            "INSERT INTO quarantined VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
            (group, record.topic, record.key, record.accepted_at_us // MINUTE_US),
        )

    def _reload_lanes(self) -> None:
        rows = self._db.execute("SELECT topic, partition, seq FROM lanes")
        self._lanes = {(topic, partition): seq for topic, partition, seq in rows}


class OutboxReader:
    """The reading side of an outbox file, for any process; it never blocks the writer."""

    def __init__(self, path: Path) -> None:
        self.producer = path.stem
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        row = self._db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        self.epoch: str = row[0] if row else ""

    @property
    def source(self) -> str:
        """The name of this file as a group's position knows it: another epoch is another source."""
        return f"{self.producer}/{self.epoch}"

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def read(
        self, topics: Sequence[str], from_offset: int, limit: int, until: int | None = None
    ) -> tuple[list[Record], int]:
        """Up to `limit` records of the topics from an offset on, and the offset to go on from."""
        last = self._db.execute("SELECT max(id) FROM records").fetchone()[0] or 0
        end = last + 1 if until is None else min(until, last + 1)
        if end <= from_offset:
            return [], from_offset
        marks = ",".join("?" * len(topics))
        rows = self._db.execute(
            "SELECT id, topic, partition, seq, key, event_id, accepted_at_us, headers, value"  # noqa: S608 (marks only)
            f" FROM records WHERE id >= ? AND id < ? AND topic IN ({marks}) ORDER BY id LIMIT ?",
            (from_offset, end, *topics, limit),
        ).fetchall()
        records = [self._record(row) for row in rows]
        return records, (records[-1].offset + 1 if len(records) == limit else end)

    def _record(self, row: tuple[int, str, int, int, str, str, int, str | None, bytes]) -> Record:
        offset, topic, partition, seq, key, event_id, accepted_at_us, headers, value = row
        return Record(
            source=self.source,
            offset=offset,
            topic=topic,
            partition=partition,
            producer=self.producer,
            epoch=self.epoch,
            seq=seq,
            key=key,
            event_id=event_id,
            accepted_at_us=accepted_at_us,
            value=value,
            headers=json.loads(headers) if headers else {},
        )

    def counts(self, table: str) -> list[tuple[str, str, int, int]]:
        """(topic, tenant, minute, n) of what was `accepted`, or `quarantined` by the warehouse."""
        sql = {
            "accepted": "SELECT topic, tenant, minute, n FROM accepted",
            "quarantined": "SELECT topic, tenant, minute, n FROM quarantined WHERE grp = 'warehouse'",
        }[table]
        return self._db.execute(sql).fetchall()

    def beyond(self, offset: int) -> list[tuple[str, str, int, int]]:
        """(topic, tenant, minute, n) of the records from an offset on."""
        return self._db.execute(
            "SELECT topic, key, accepted_at_us / ?, count(*) FROM records WHERE id >= ?"
            " GROUP BY 1, 2, 3",
            (MINUTE_US, offset),
        ).fetchall()

    def positions(self) -> dict[str, dict[str, int]]:
        """Per group that steps in this file: the next offset in each source."""
        steps: dict[str, dict[str, int]] = {}
        for group, source, offset in self._db.execute(
            "SELECT grp, source, next_offset FROM positions"
        ):
            steps.setdefault(group, {})[source] = offset
        return steps

    def first_offset_since(self, accepted_at_us: int) -> int:
        """The offset of the first record accepted at or after a time; after the last if none was."""
        row = self._db.execute(
            "SELECT min(id) FROM records WHERE accepted_at_us >= ?", (accepted_at_us,)
        ).fetchone()
        last = self._db.execute("SELECT max(id) FROM records").fetchone()[0] or 0
        return row[0] if row[0] is not None else last + 1


def _locked(path: Path) -> TextIO:
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        handle.close()
        raise Conflict(f"Another process is writing {path.with_suffix('.db')}.") from busy
    return handle


def _ranges(text: str) -> dict[str, tuple[int, int]]:
    return {source: (first, end) for source, (first, end) in json.loads(text).items()}
