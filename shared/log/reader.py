"""The reading side of an outbox file, for any process: it sees what is committed and never blocks the writer."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from shared.log.file import MINUTE_US
from shared.log.record import Position, Record, furthest
from shared.log.schema import damages, epoch_of, epochs
from shared.log.seal import DAMAGED_PLACE, DAMAGED_VALUE, place_sum, value_sum
from shared.log.steps import all_positions, positions_of
from shared.topics import ALL

READ_BYTES = 32 * 1024 * 1024
"""How many bytes of values a read takes at once: thousands of usual facts, and never more memory than a process has."""

UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises; the second when SQLite's own message quotes what is no UTF-8."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_KNOWN = [name for topic in ALL for name in (topic.name, topic.dead_letters)]
# As bytes, whatever damage made of their types: what is no UTF-8 any more must not stop a read.
_TEXTS = ", ".join(
    f"coalesce(CAST({name} AS BLOB), x'')"
    for name in ("topic", "key", "event_id", "headers", "value")
)

_Row = tuple[int, int, int, int, bytes, bytes, bytes, bytes, bytes, int | None, int | None]


class OutboxReader:
    """One outbox file, read. `source` names it in a group's position: another epoch is another source."""

    def __init__(self, path: Path) -> None:
        self.producer = path.stem
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        self.epoch = epoch_of(self._db)
        self.source = f"{self.producer}/{self.epoch}"
        self._sealed_from: int | None = None
        self._epochs: Sequence[tuple[int, str]] = ()

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def read(
        self, topics: Sequence[str], from_offset: int, limit: int, until: int | None = None
    ) -> tuple[list[Record], int]:
        """Up to `limit` records of the topics from an offset on, and the offset to go on from.

        Without `until` they end with the one that brings them to `READ_BYTES`; with it, all there are come.
        Each is held against its sums: `Record.damage` says what came of it. Raises one of
        `UNREADABLE` at a page that is no page any more, once what stands before it was read.
        """
        with self._snapshot():
            return self._read(topics, from_offset, limit, until)

    def _read(
        self, topics: Sequence[str], from_offset: int, limit: int, until: int | None
    ) -> tuple[list[Record], int]:
        end = self._last + 1 if until is None else min(until, self._last + 1)
        if end <= from_offset:
            return [], from_offset
        self._epochs = epochs(self._db)
        records: list[Record] = []
        rows, size, following = 0, 0, from_offset
        try:
            for row in self._rows(topics, from_offset, limit):
                record = self._record(row, topics, following)
                if record.placed and record.offset >= end:
                    break
                rows, size, following = rows + 1, size + len(record.value), record.offset + 1
                if record.topic in topics:
                    records.append(record)
                if until is None and size >= READ_BYTES:
                    return records, following
        except UNREADABLE:
            if not rows:
                raise
            return records, following
        return records, (following if rows == limit else end)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All that is read within is of one moment: a record, and the epoch that it is numbered in."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.rollback()

    @property
    def _last(self) -> int:
        """The last record's offset; a damaged one may claim to be beyond it."""
        claimed = self._db.execute("SELECT max(id) FROM records").fetchone()[0] or 0
        return min(int(claimed), self.end - 1)

    def _rows(self, topics: Sequence[str], from_offset: int, limit: int) -> Iterator[_Row]:
        """The rows of the topics, and those of topics that are none: damage may have made them so.

        There is no upper bound but `limit`: a damaged offset would end the read too early.
        """
        asked, known = (",".join("?" * len(names)) for names in (topics, _KNOWN))
        sums = "place_sum, value_sum" if self._has_seals() else "NULL, NULL"
        return self._db.execute(
            f"SELECT id, partition, seq, accepted_at_us, {_TEXTS}, {sums}"  # noqa: S608 (names and marks)
            f" FROM records WHERE id >= ?"
            f" AND ((topic IN ({asked})) IS TRUE OR (topic IN ({known})) IS NOT TRUE)"
            f" ORDER BY id LIMIT ?",
            (from_offset, *topics, *_KNOWN, limit),
        )

    def _has_seals(self) -> bool:
        """Whether the file has the columns: one of an earlier version gets them from its next writer."""
        if self._sealed_from is None:
            row = self._db.execute(
                "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'sealed_from'"
            ).fetchone()
            self._sealed_from = row[0] if row else None
        return self._sealed_from is not None

    def _is_sealed(self, offset: int, sums: tuple[int | None, int | None]) -> bool:
        return sums != (None, None) or (self._sealed_from or offset + 1) <= offset

    def _record(self, row: _Row, topics: Sequence[str], expected_offset: int) -> Record:
        offset, partition, seq, at_us, *texts, value, place, content = row
        sealed = self._is_sealed(offset, (place, content))
        later = self._later_epoch(offset)
        told = place_sum(offset, partition, seq, at_us, *texts, epoch=later.encode())
        if sealed and place != told:
            return self._unplaced(expected_offset, topics[0], value)
        topic, key, event_id, headers = texts
        return Record(
            source=self.source,
            offset=offset,
            topic=topic.decode(),
            partition=partition,
            producer=self.producer,
            epoch=later or self.epoch,
            seq=seq,
            key=key.decode(),
            event_id=event_id.decode(),
            accepted_at_us=at_us,
            value=value,
            headers=json.loads(headers) if headers else _NO_HEADERS,
            damage=DAMAGED_VALUE if sealed and content != value_sum(value) else "",
        )

    def _later_epoch(self, offset: int) -> str:
        """The epoch that a record is numbered in; empty for the file's first."""
        return next((epoch for first, epoch in reversed(self._epochs) if first <= offset), "")

    def _unplaced(self, offset: int, topic: str, value: bytes) -> Record:
        """What is left of a record whose place is damaged: its value, in nobody's name."""
        return Record(
            source=self.source,
            offset=offset,
            topic=topic,
            partition=0,
            producer=self.producer,
            epoch=self.epoch,
            seq=0,
            key="",
            event_id="",
            accepted_at_us=0,
            value=value,
            damage=DAMAGED_PLACE,
        )

    @property
    def end(self) -> int:
        """The offset after the last record, also of those that were trimmed."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return int(row[0]) + 1 if row else 1

    def counts(self, table: str) -> list[tuple[str, str, int, int]]:
        """(topic, tenant, minute, n) of what was `accepted`, or `quarantined` by the warehouse."""
        sql = {
            "accepted": "SELECT topic, tenant, minute, n FROM accepted",
            "quarantined": "SELECT topic, tenant, minute, n FROM quarantined WHERE grp = 'warehouse'",
        }[table]
        return self._db.execute(sql).fetchall()

    def dead_letters(self) -> list[tuple[str, str, int]]:
        """(topic, group, n) of what the groups that step in this file gave up on."""
        return self._db.execute(
            "SELECT topic, grp, sum(n) FROM quarantined GROUP BY topic, grp"
        ).fetchall()

    def beyond(self, offset: int) -> list[tuple[str, str, int, int]]:
        """(topic, tenant, minute, n) of the records from an offset on."""
        return self._db.execute(
            "SELECT topic, key, accepted_at_us / ?, count(*) FROM records WHERE id >= ?"
            " GROUP BY 1, 2, 3",
            (MINUTE_US, offset),
        ).fetchall()

    def positions(self) -> dict[str, dict[str, int]]:
        """Per group that steps in this file: the next offset in each source. Raises `Damaged`."""
        steps: dict[str, dict[str, int]] = {}
        for group, source, position in all_positions(self._db):
            steps.setdefault(group, {})[source] = position.next_offset
        return steps

    def steps(self, group: str) -> dict[str, Position]:
        """Where a group that steps in this file has come to in each source. Raises `Damaged`."""
        return positions_of(self._db, group)

    def furthest(self, source: str) -> Position:
        """The furthest that any group that steps in this file has come in a source. Raises `Damaged`."""
        positions = all_positions(self._db)
        return furthest(at for _, read, at in positions if read == source)

    def damages(self) -> Sequence[str]:
        """What is damaged in the tables that steer."""
        return damages(self._db)

    def first_offset_since(self, accepted_at_us: int) -> int:
        """The offset of the first record accepted at or after a time; after the last if none was."""
        row = self._db.execute(
            "SELECT min(id) FROM records WHERE accepted_at_us >= ?", (accepted_at_us,)
        ).fetchone()
        last = self._db.execute("SELECT max(id) FROM records").fetchone()[0] or 0
        return row[0] if row[0] is not None else last + 1
