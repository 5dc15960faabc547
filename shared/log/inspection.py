"""Looking at the outboxes of a folder without touching them: are they whole, and what waits in them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shared.log.folder import FolderLog
from shared.log.reader import OutboxReader
from shared.log.schema import damages
from shared.log.sealed import WHOLE


@dataclass(frozen=True, slots=True)
class Inspected:
    """One outbox: what SQLite finds wrong with the file, and what the slowest of its groups has not passed."""

    path: Path
    damage: str = ""
    slowest: str = ""
    waiting: int = 0
    waiting_since_us: int | None = None
    dead_letters: Sequence[tuple[str, str, int]] = ()


def inspect(folder: Path, groups: Sequence[str]) -> Iterator[Inspected]:
    """Every outbox of a folder, in the order of their names. What is damaged is not looked into."""
    damages = {path: _damage(path) for path in sorted(folder.glob("*.db"))}
    yield from (Inspected(path, damage) for path, damage in damages.items() if damage)
    if any(damages.values()):
        return
    log = FolderLog(folder)
    try:
        readers = log.readers()
        for reader in readers:
            yield _inspected(folder / f"{reader.producer}.db", reader, readers, groups)
    finally:
        log.close()


def _inspected(
    path: Path, reader: OutboxReader, readers: Sequence[OutboxReader], groups: Sequence[str]
) -> Inspected:
    passed = dict.fromkeys(groups, 1)  # where every outbox begins
    for other in readers:
        for group, positions in other.positions().items():
            if group in passed:
                passed[group] = max(passed[group], positions.get(reader.source, 1))
    slowest = min(passed, key=lambda group: passed[group])
    return Inspected(
        path,
        slowest=slowest,
        waiting=max(0, reader.end - passed[slowest]),
        waiting_since_us=_accepted_since(path, passed[slowest]),
        dead_letters=reader.dead_letters(),
    )


def _accepted_since(path: Path, offset: int) -> int | None:
    """When the first record from an offset on was accepted; None when there is none."""
    with _opened(path) as db:
        first = db.execute(
            "SELECT accepted_at_us FROM records WHERE id >= ? ORDER BY id LIMIT 1", (offset,)
        ).fetchone()
    return int(first[0]) if first else None


def _damage(path: Path) -> str:
    try:
        with _opened(path) as db:
            (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
            found = [str(told)] if told != WHOLE else damages(db)
    except sqlite3.DatabaseError as error:
        return str(error)
    return "; ".join(found)


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
