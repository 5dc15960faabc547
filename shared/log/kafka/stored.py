"""What a seat keeps under one key of its group's state topic: positions, and how far its own lanes count."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from shared.ids import new_id
from shared.log.record import Position

LANES = 2_000  # of a source: those of processes long gone are forgotten


@dataclass(frozen=True, slots=True)
class Stored:
    """The positions by source; the epoch of the lanes that the seat makes, and the last seq of each."""

    positions: Mapping[str, Position] = field(default_factory=dict)
    epoch: str = field(default_factory=new_id)
    made: Mapping[str, int] = field(default_factory=dict)

    def dump(self) -> bytes:
        """As JSON."""
        sources = {source: (at.next_offset, dict(at.seqs)) for source, at in self.positions.items()}
        body = {"epoch": self.epoch, "made": dict(self.made), "sources": sources}
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def load(cls, body: bytes) -> Self:
        """What was dumped."""
        stored = json.loads(body)
        positions = {
            source: Position(next_offset, seqs)
            for source, (next_offset, seqs) in stored["sources"].items()
        }
        return cls(positions, stored["epoch"], stored["made"])

    def moved(self, positions: Mapping[str, Position], made: Mapping[str, int]) -> Self:
        """These positions in the place of the former ones, and the lanes counted on."""
        recent = {s: _recent(self.positions.get(s, Position()), at) for s, at in positions.items()}
        return type(self)({**self.positions, **recent}, self.epoch, made)


def _recent(before: Position, after: Position) -> Position:
    """The position with its lanes in the order in which they last moved, the latest `LANES` of them."""
    moved = {lane: seq for lane, seq in after.seqs.items() if before.seqs.get(lane) != seq}
    still = [(lane, seq) for lane, seq in before.seqs.items() if lane not in moved]
    return Position(after.next_offset, dict([*still, *moved.items()][-LANES:]))
