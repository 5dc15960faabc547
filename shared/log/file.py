"""One outbox file: an append-only SQLite database (WAL) that one process writes and any may read."""

import fcntl
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from shared.clock import from_micros, micros
from shared.errors import Conflict
from shared.ids import new_id
from shared.log import steps
from shared.log.record import DAMAGED, DeadLetter, Fact, OpenCall, Position
from shared.log.schema import add_epoch, damages, epoch_of, epochs, make_tables
from shared.log.seal import DAMAGED_CALL, place_sum, value_sum
from shared.log.sealed import LANES, OPEN_CALLS, Damaged, SealedRow

MINUTE_US = 60_000_000
STORING_GROUP = "warehouse"  # whose end of a fact the books count
PAGE_BYTES = 4096  # SQLite's own choice
WAL_BYTES = 128 * 1024 * 1024  # a longer write-ahead log is cut once it begins anew

Ranges = Mapping[str, tuple[int, int]]
"""Per source the first offset of a batch and the offset after its last."""

Lane = tuple[str, int]
"""A topic and a partition: what `seq` counts in."""

_Row = tuple[int, str, int, int, str, str, int, str | None, int, int, bytes]


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
class Trimmed:
    """How many records a step of trimming deleted, and the offset that it came to."""

    records: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group had stored when it last stepped; `intent` names a batch begun and not ended."""

    positions: Mapping[str, Position]
    states: Mapping[str, bytes]
    intent: Ranges | None


class OutboxFile:
    """The writing side of an outbox file. Not thread-safe: one thread uses it at a time."""

    def __init__(self, path: Path, *, synchronous: str = "NORMAL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._lanes: Mapping[Lane, int] = {}
        self._last_offset = 0
        self._bytes = 0

    def open(self) -> None:
        """Create or open the file. Raises `Conflict` while another process has it open for writing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._path.with_suffix(".lock"))
        self._data = self._path.open("ab")
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._begin()
            undo.pop_all()

    def go_on_from(self, furthest: Position) -> int:
        """Count offsets on behind what any group has read; how many were read that are no more."""
        gone = max(0, furthest.next_offset - 1 - self._last_offset)
        self._last_offset += gone
        return gone

    def begin_epoch(self) -> None:
        """Number the records that come in lanes of their own, which nobody has read from.

        A loss of power may take the tail of a file. Numbers given twice would make what comes next
        look as if it had been read.
        """
        self._lanes, self._epoch = {}, new_id()
        with self._transaction():
            self._db.execute("DELETE FROM lanes")
            add_epoch(self._db, self._last_offset + 1, self._epoch)

    def seal(self) -> None:
        """Leave word that what is here is all that there was: the last that is written before `close`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('closed', '1')")

    def damages(self) -> list[str]:
        """What is found damaged in the tables that steer."""
        return damages(self._db)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()
        self._data.close()  # not before: it would take SQLite's locks along (howtocorrupt.html, 2.2)
        self._lock.close()

    def _begin(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={self._synchronous}")
        self._db.execute("PRAGMA wal_autocheckpoint=0")  # no commit waits for a `Checkpointer`
        self._db.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        make_tables(self._db)
        self._take_over()

    def _take_over(self) -> None:
        """Read where the last life has left off, and whether all of it is here."""
        # To be on the disk before anything new is: else a lost tail would leave a file that looks closed.
        self._db.execute("PRAGMA synchronous=FULL")
        made = self._db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (new_id(),))
        closed = self._db.execute("DELETE FROM meta WHERE name = 'closed'")
        self._db.execute(f"PRAGMA synchronous={self._synchronous}")
        first = epoch_of(self._db)
        self.source = f"{self._path.stem}/{first}"
        self._epoch = next((epoch for _, epoch in reversed(epochs(self._db))), "")
        self._last_offset = self._db.execute(
            "SELECT max((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'),"
            " (SELECT coalesce(max(id), 0) FROM records))"
        ).fetchone()[0]
        marks = {"epoch_sum": value_sum(first.encode()), "sealed_from": self._last_offset + 1}
        self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", marks.items())
        self.whole = bool(made.rowcount or closed.rowcount)
        self.numbered = self._count_on()

    def _count_on(self) -> bool:
        """Count in the lanes that are here; whether they can be believed."""
        try:
            LANES.check(self._db)
            rows = LANES.checked(self._db)
        except Damaged:
            return False
        self._lanes = {(topic.decode(), int(partition)): int(seq) for topic, partition, seq in rows}
        return True

    def flush(self) -> None:
        """Wait until the disk has what checkpoints have copied so far; any thread may."""
        os.fsync(self._data.fileno())

    @property
    def pages_changed(self) -> int:
        """About how many pages were written since `open`: one for each row, and those of large values."""
        return self._db.total_changes + self._bytes // PAGE_BYTES

    def write(self, writes: Sequence[Write], now_us: int) -> list[Sequence[Fact]]:
        """Store all of the writes in one transaction; on any error none of them is stored.

        For each write the facts that it refused, as `Outbox.append` says.
        """
        batch = _Batch(now_us, self._epoch.encode(), dict(self._lanes), self._last_offset)
        with self._transaction():
            refused = [self._apply(write, batch) for write in writes]
            self._append(batch)
        self._lanes, self._last_offset = batch.lanes, batch.last_offset
        return refused

    def trim(self, offsets: range, keep_topics: Collection[str], limit: int) -> Trimmed:
        """Delete the records at these offsets but those of `keep_topics`; looks at `limit` at most."""
        within = (offsets.start, offsets.stop)
        last = self._db.execute(
            "SELECT max(id) FROM"
            " (SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
            (*within, limit),
        ).fetchone()[0]
        if last is None:
            return Trimmed(0, offsets.stop)
        marks = ",".join("?" * len(keep_topics))
        gone = self._db.execute(
            f"DELETE FROM records WHERE id >= ? AND id <= ? AND topic NOT IN ({marks})",  # noqa: S608 (marks only)
            (offsets.start, last, *keep_topics),
        ).rowcount
        return Trimmed(gone, last + 1)

    def forget(self, before_us: int, limit: int) -> int:
        """Forget which facts were accepted before a time, the oldest `limit` at most; how many it were."""
        return self._db.execute(
            "DELETE FROM seen WHERE (topic, event_id) IN (SELECT topic, event_id FROM seen"
            " WHERE accepted_at_us < ? ORDER BY accepted_at_us LIMIT ?)",
            (before_us, limit),
        ).rowcount

    def orphans(self) -> list[OpenCall]:
        """The calls opened and not closed."""
        return [_call(row) for row in OPEN_CALLS.rows(self._db)]

    def group(self, name: str) -> GroupState:
        """What a group has stored here. Raises `Damaged`."""
        steps.check(self._db)
        return GroupState(
            steps.positions_of(self._db, name),
            steps.states_of(self._db, name),
            steps.intent_of(self._db, name),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back
            yield

    def _apply(self, write: Write, batch: "_Batch") -> Sequence[Fact]:
        refused = self._accept(write.facts, batch)
        if write.opens:
            opens = [(call.call_id, micros(call.opened_at), call.value) for call in write.opens]
            OPEN_CALLS.add(self._db, opens)
            self._bytes += sum(len(call.value) for call in write.opens)
        for call_id in write.closes:
            self._db.execute("DELETE FROM open_calls WHERE call_id = ?", (call_id,))
        if write.intent is not None:
            steps.begin(self._db, *write.intent)
        if write.commit is not None:
            self._step(write.commit, batch)
        return refused

    def _accept(self, facts: Sequence[Fact], batch: "_Batch") -> Sequence[Fact]:
        refused = []
        for fact in facts:
            if fact.only_for or self._first_time(fact, batch.now_us):
                topic = fact.topic.name
                partition = fact.topic.partition(fact.key)
                told = fact.headers
                headers = json.dumps(told) if told else None
                batch.add(topic, partition, fact.key, fact.event_id, headers, fact.value)
                batch.accepted[topic, fact.key] += fact.only_for in {"", STORING_GROUP}
            elif self._conflicts(fact):
                refused.append(fact)
        return refused

    def _first_time(self, fact: Fact, now_us: int) -> bool:
        """Whether this tenant's id is new: another tenant may choose the same one."""
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO seen (topic, event_id, accepted_at_us, digest)"
            " VALUES (?, ?, ?, ?)",
            (*_seen_as(fact), now_us, fact.digest),
        )
        return inserted.rowcount == 1

    def _conflicts(self, fact: Fact) -> bool:
        """Whether the fact that was accepted under this id is known to be another one."""
        (digest,) = self._db.execute(
            "SELECT digest FROM seen WHERE topic = ? AND event_id = ?", _seen_as(fact)
        ).fetchone()
        return digest is not None and digest != fact.digest

    def _append(self, batch: "_Batch") -> None:
        self._db.executemany(
            "INSERT INTO records (id, topic, partition, seq, key, event_id, accepted_at_us, headers,"
            " place_sum, value_sum, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            batch.rows,
        )
        lanes = {(row[1], row[2]) for row in batch.rows}
        LANES.put(self._db, [(*lane, batch.lanes[lane]) for lane in lanes])
        minute = batch.now_us // MINUTE_US
        self._db.executemany(
            "INSERT INTO accepted VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(topic, tenant, minute, n) for (topic, tenant), n in batch.accepted.items()],
        )
        self._bytes += sum(len(row[-1]) for row in batch.rows)

    def _step(self, commit: Commit, batch: "_Batch") -> None:
        for letter in commit.dead_letters:
            self._bury(commit.group, letter, batch)
        steps.store_states(self._db, commit.group, commit.states)
        steps.store_positions(self._db, commit.group, commit.positions)
        steps.end(self._db, commit.group)
        self._bytes += sum(len(value) for value in commit.states.values() if value)

    def _bury(self, group: str, letter: DeadLetter, batch: "_Batch") -> None:
        record = letter.record
        headers = {
            "group": group,
            "reason": letter.reason,
            "origin": f"{record.lane}#{record.seq}",
            "accepted_at_us": str(record.accepted_at_us),
            **({DAMAGED: "1"} if record.damage else {}),
        }
        topic = f"{record.topic.removesuffix('.dlq')}.dlq"  # a damaged letter is one all the same
        told = json.dumps(headers)
        batch.add(topic, record.partition, record.key, record.event_id, told, record.value)
        self._db.execute(
            "INSERT INTO quarantined VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
            (group, record.topic, record.key, record.accepted_at_us // MINUTE_US),
        )


@dataclass(slots=True)
class _Batch:
    """What one transaction adds to the log, numbered as it is collected and written at the end."""

    now_us: int
    epoch: bytes
    lanes: dict[Lane, int]
    last_offset: int
    rows: list[_Row] = field(default_factory=list)
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(
        self, topic: str, partition: int, key: str, event_id: str, headers: str | None, value: bytes
    ) -> None:
        seq = self.lanes[topic, partition] = self.lanes.get((topic, partition), 0) + 1
        self.last_offset += 1
        texts = (topic.encode(), key.encode(), event_id.encode(), (headers or "").encode())
        place = place_sum(self.last_offset, partition, seq, self.now_us, *texts, epoch=self.epoch)
        names = (self.last_offset, topic, partition, seq, key, event_id, self.now_us, headers)
        self.rows.append((*names, place, value_sum(value), value))


def _call(row: SealedRow) -> OpenCall:
    call_id, opened_at_us, value = row.columns
    if row.sound:
        return OpenCall(call_id.decode(), from_micros(int(opened_at_us)), value)
    return OpenCall(call_id.decode(errors="replace"), from_micros(0), value, DAMAGED_CALL)


def _seen_as(fact: Fact) -> tuple[str, str]:
    return fact.topic.name, f"{fact.key}/{fact.event_id}"


def _locked(path: Path) -> TextIO:
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        handle.close()
        raise Conflict(f"Another process is writing {path.with_suffix('.db')}.") from busy
    return handle
