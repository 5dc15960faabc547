"""The reading side of an outbox file, for any process: it sees what is committed and never blocks the writer."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from shared.log.file import MINUTE_US
from shared.log.record import Position, Record

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


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
        row = self._db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        self.epoch: str = row[0] if row else ""
        self.source = f"{self.producer}/{self.epoch}"

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
        records = [self._record(*row) for row in rows]
        return records, (records[-1].offset + 1 if len(records) == limit else end)

    def _record(
        self,
        offset: int,
        topic: str,
        partition: int,
        seq: int,
        key: str,
        event_id: str,
        accepted_at_us: int,
        headers: str | None,
        value: bytes,
    ) -> Record:
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
            headers=json.loads(headers) if headers else _NO_HEADERS,
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
        """Per group that steps in this file: the next offset in each source."""
        steps: dict[str, dict[str, int]] = {}
        for group, source, offset in self._db.execute(
            "SELECT grp, source, next_offset FROM positions"
        ):
            steps.setdefault(group, {})[source] = offset
        return steps

    def steps(self, group: str) -> dict[str, Position]:
        """Where a group that steps in this file has come to in each source."""
        rows = self._db.execute(
            "SELECT source, next_offset, seqs FROM positions WHERE grp = ?", (group,)
        )
        return {source: Position(offset, json.loads(seqs)) for source, offset, seqs in rows}

    def first_offset_since(self, accepted_at_us: int) -> int:
        """The offset of the first record accepted at or after a time; after the last if none was."""
        row = self._db.execute(
            "SELECT min(id) FROM records WHERE accepted_at_us >= ?", (accepted_at_us,)
        ).fetchone()
        last = self._db.execute("SELECT max(id) FROM records").fetchone()[0] or 0
        return row[0] if row[0] is not None else last + 1
