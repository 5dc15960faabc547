"""The books of the log: accepted = stored + quarantined + in flight, per topic, tenant and minute."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import Unavailable
from shared.log.folder import FolderLog
from shared.log.sealed import Damaged
from shared.topics import ALL

COUNTED = frozenset(topic.name for topic in ALL if not topic.compacted)

Cell = tuple[str, str, int]
"""(topic, tenant, minute since the epoch)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the books. It adds up when `missing` is 0; below 0, something is counted twice."""

    topic: str
    tenant: str
    minute: int
    accepted: int
    stored: int
    quarantined: int
    in_flight: int

    @property
    def missing(self) -> int:
        """Facts that were accepted and are nowhere."""
        return self.accepted - self.stored - self.quarantined - self.in_flight

    @property
    def minute_at(self) -> datetime:
        """When the minute began."""
        return datetime.fromtimestamp(self.minute * 60, UTC)


@dataclass(frozen=True, slots=True)
class LogSide:
    """What the outboxes say: everything but what is stored."""

    accepted: Mapping[Cell, int]
    quarantined: Mapping[Cell, int]
    in_flight: Mapping[Cell, int]


def log_side(folder: Path, group: str = "warehouse") -> LogSide:
    """Read the outboxes; what the storing group has not passed is in flight.

    Raises `Unavailable` while it is not known what that is: its position is damaged.
    """
    log = FolderLog(folder)
    try:
        readers = log.readers()
        passed: dict[str, int] = {}
        for reader in readers:
            passed.update(reader.positions().get(group, {}))
        return LogSide(
            accepted=summed(row for reader in readers for row in reader.counts("accepted")),
            quarantined=summed(row for reader in readers for row in reader.counts("quarantined")),
            in_flight=summed(
                row for reader in readers for row in reader.beyond(passed.get(reader.source, 0))
            ),
        )
    except Damaged as damage:
        raise Unavailable(f"The books cannot be made: {damage}.") from damage
    finally:
        log.close()


def books(log: LogSide, stored: Mapping[Cell, int], since_minute: int = 0) -> list[Entry]:
    """The lines of the books from a minute on, oldest first."""
    cells = {cell for cell in (*log.accepted, *stored) if cell[2] >= since_minute}
    return [
        Entry(
            topic=topic,
            tenant=tenant,
            minute=minute,
            accepted=log.accepted.get((topic, tenant, minute), 0),
            stored=stored.get((topic, tenant, minute), 0),
            quarantined=log.quarantined.get((topic, tenant, minute), 0),
            in_flight=log.in_flight.get((topic, tenant, minute), 0),
        )
        for topic, tenant, minute in sorted(cells, key=lambda cell: (cell[2], cell[0], cell[1]))
    ]


def summed(rows: Iterable[tuple[str, str, int, int]]) -> Counter[Cell]:
    """Rows of (topic, tenant, minute, n), added up; those of topics that are not counted are left out."""
    counts: Counter[Cell] = Counter()
    for topic, tenant, minute, n in rows:
        if topic in COUNTED:
            counts[topic, tenant, minute] += n
    return counts
