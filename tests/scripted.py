"""A log and a store of positions that are as a test says, and a clock that a consumer is driven by."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.clock import SimulatedClock
from shared.errors import LeewayError
from shared.log.file import GroupState, Ranges
from shared.log.record import DeadLetter, Effect, Position, Record

TURNS = 50  # of the event loop: more than a consumer needs to come to its next pause


class ScriptedLog:
    """A log of one source that holds what a test puts there."""

    holds_more = False

    def __init__(self, *records: Record) -> None:
        self.records = list(records)
        self.hidden = False

    async def poll(
        self, topics: Sequence[str], positions: Mapping[str, Position], limit: int
    ) -> tuple[list[Record], Ranges]:
        rows = self._behind(positions)[:limit]
        if not rows:
            return [], {}
        source = rows[0].source
        start = positions.get(source, Position()).next_offset
        return [r for r in rows if r.topic in topics], {source: (start, rows[-1].offset + 1)}

    async def reread(self, topics: Sequence[str], ranges: Ranges) -> list[Record]:
        return [
            record
            for record in self.records
            if record.topic in topics and record.offset in range(*ranges[record.source])
        ]

    async def waiting(self, positions: Mapping[str, Position]) -> int:
        return 0 if self.hidden else len(self._behind(positions))

    def close(self) -> None:
        pass

    def _behind(self, positions: Mapping[str, Position]) -> list[Record]:
        next_offsets = {source: position.next_offset for source, position in positions.items()}
        return [r for r in self.records if r.offset >= next_offsets.get(r.source, 0)]


class ScriptedStore:
    """A store of positions in memory; it refuses what a test says."""

    def __init__(self) -> None:
        self.state = GroupState({}, {}, None)
        self.letters: list[DeadLetter] = []
        self.refuses: LeewayError | None = None
        self.knows = True
        self.tries = 0

    async def load(self, group: str) -> GroupState:
        if not self.knows:
            assert self.refuses is not None
            raise self.refuses
        return self.state

    async def intend(self, group: str, ranges: Ranges) -> None:
        self.state = replace(self.state, intent=ranges)

    async def commit(
        self,
        group: str,
        positions: Mapping[str, Position],
        effect: Effect,
    ) -> None:
        self.tries += 1
        if self.refuses is not None:
            raise self.refuses
        states = {**self.state.states, **effect.states}
        kept = {name: blob for name, blob in states.items() if blob is not None}
        self.state = GroupState({**self.state.positions, **positions}, kept, None)
        self.letters += effect.dead_letters


async def pass_time(clock: SimulatedClock, seconds: float, *, step_seconds: float = 1.0) -> None:
    """Move the clock on in steps, and let everybody do what is due after each."""
    for _ in range(round(seconds / step_seconds)):
        clock.advance(step_seconds)
        await turns()


async def turns() -> None:
    """Let everybody go on to where they wait."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
