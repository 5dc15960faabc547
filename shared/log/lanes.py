"""What of a batch is new to a group, and what the numbers of its lanes say is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.log.file import Ranges
from shared.log.record import ONLY_FOR, Position, Record


@dataclass(frozen=True, slots=True)
class Gap:
    """So many records are missing in a lane, behind the one with this number."""

    lane: str
    after: int
    missing: int


@dataclass(slots=True)
class Screened:
    """The records that a group has not seen, the positions behind the batch, and what was noticed."""

    fresh: list[Record] = field(default_factory=list)
    positions: Mapping[str, Position] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    duplicates: int = 0


def screen(
    group: str,
    records: Sequence[Record],
    ranges: Ranges,
    positions: Mapping[str, Position],
    began_us: Mapping[str, int],
) -> Screened:
    """Hold a batch against the numbers that the group has seen.

    A lane that it has not met begins at 1. But what was accepted before the group began to read a source
    (`began_us`, where that is known) may have lost what stood before it to retention: such a lane is
    taken as it comes.
    """
    found = Screened()
    seqs = {source: dict(positions.get(source, Position()).seqs) for source in ranges}
    for record in records:
        if not record.placed:
            found.fresh.append(record)  # the next one in its lane tells the gap that it leaves
            continue
        lanes, lane = seqs[record.source], record.lane
        last = lanes.get(lane, 0)
        if record.seq <= last:
            found.duplicates += 1
            continue
        known = last or record.accepted_at_us > began_us.get(record.source, 0)
        if known and record.seq > last + 1:
            found.gaps.append(Gap(lane, last, record.seq - last - 1))
        lanes[lane] = record.seq
        if record.headers.get(ONLY_FOR, group) == group:
            found.fresh.append(record)
    found.positions = {source: Position(end, seqs[source]) for source, (_, end) in ranges.items()}
    return found
