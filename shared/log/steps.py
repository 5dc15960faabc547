"""What the groups of a process have stored in its outbox: positions, states, and what each is about to handle."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from shared.log.record import Position
from shared.log.sealed import INTENTS, POSITIONS, STATES

_STORED = (POSITIONS, STATES, INTENTS)


def check(db: sqlite3.Connection) -> None:
    """Raises `Damaged` when something that was stored may be missing."""
    for table in _STORED:
        table.check(db)


def store_positions(db: sqlite3.Connection, group: str, positions: Mapping[str, Position]) -> None:
    """Store how far a group has come."""
    POSITIONS.put(
        db,
        [
            (group, source, at.next_offset, json.dumps(dict(at.seqs)))
            for source, at in positions.items()
        ],
    )


def store_states(db: sqlite3.Connection, group: str, states: Mapping[str, bytes | None]) -> None:
    """Replace a group's named states; None removes one."""
    gone = [(group, name) for name, value in states.items() if value is None]
    db.executemany("DELETE FROM states WHERE grp = ? AND name = ?", gone)
    STATES.put(db, [(group, name, value) for name, value in states.items() if value is not None])


def begin(db: sqlite3.Connection, group: str, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Store which batch a group is about to handle."""
    INTENTS.put(db, [(group, json.dumps(ranges))])


def end(db: sqlite3.Connection, group: str) -> None:
    """The batch that a group was about to handle is handled."""
    db.execute("DELETE FROM intents WHERE grp = ?", (group,))


def positions_of(db: sqlite3.Connection, group: str) -> dict[str, Position]:
    """How far a group has come in each source. Raises `Damaged`."""
    return dict(map(_position, POSITIONS.of_group(db, group)))


def states_of(db: sqlite3.Connection, group: str) -> dict[str, bytes]:
    """A group's states by name. Raises `Damaged`."""
    return {name.decode(): value for _, name, value in STATES.of_group(db, group)}


def intent_of(db: sqlite3.Connection, group: str) -> dict[str, tuple[int, int]] | None:
    """The batch that a group began and did not end. Raises `Damaged`."""
    for _, ranges in INTENTS.of_group(db, group):
        return {source: (first, end) for source, (first, end) in json.loads(ranges).items()}
    return None


def all_positions(db: sqlite3.Connection) -> list[tuple[str, str, Position]]:
    """(group, source, position) of all groups. Raises `Damaged`."""
    return [(row[0].decode(), *_position(row)) for row in POSITIONS.checked(db)]


def _position(row: Sequence[bytes]) -> tuple[str, Position]:
    _, source, offset, seqs = row
    return source.decode(), Position(int(offset), _latest(json.loads(seqs)))


def _latest(seqs: Mapping[str, int]) -> dict[str, int]:
    """Of lanes that differ in their epoch the last one that began: within a source no other comes again."""
    places = {(lane[: lane.index("/")], *lane.rsplit("/", 2)[1:]): lane for lane in seqs}
    return {lane: seqs[lane] for lane in places.values()}
