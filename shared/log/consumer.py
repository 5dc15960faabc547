"""A group's loop: poll, drop duplicates, see losses, handle, and store effect and position as one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from shared.clock import Clock, micros, pause
from shared.errors import Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.log.file import GroupState, Ranges
from shared.log.folder import Log
from shared.log.record import ONLY_FOR, DeadLetter, Effect, Handler, Moved, Position, Record
from shared.metrics import (
    CONSUMED,
    CONSUMER_BEHIND,
    CONSUMER_HALTED,
    CONSUMER_LAG,
    CONSUMER_RETRIES,
    DEAD_LETTERS,
    DUPLICATES,
    FACT_GAPS,
)
from shared.topics import Topic

log = structlog.get_logger()


class GroupStore(Protocol):
    """Where a group's position lives, together with the effects of its process."""

    async def load(self, group: str) -> GroupState:
        """What the group stored last."""
        ...

    async def intend(self, group: str, ranges: Ranges) -> None:
        """Make the boundaries of the next batch durable before it has any effect."""
        ...

    async def commit(self, group: str, positions: Mapping[str, Position], effect: Effect) -> None:
        """Store the effect and the positions in one transaction. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """A batch has a size and an age; retries back off; a run of dead letters stops the group."""

    max_records: int = 500
    max_age_seconds: float = 0.2
    first_retry_seconds: float = 0.1
    last_retry_seconds: float = 5.0
    idle_commit_seconds: float = 10.0
    crashes_before_bisecting: int = 3
    max_consecutive_dead_letters: int = 1000


class Consumer:
    """Reads some topics for one group and gives each record to the handler once.

    A handler that sets `exact_batches = True` writes to a store that cannot share a transaction with
    the position: the boundaries of each batch are stored before it is handled, and after a kill the
    same batch comes again, exactly. A handler that keeps state (`Restorable`) gets it back before the
    first batch and after every failure, so that what it holds is always what is stored.
    """

    def __init__(
        self,
        group: str,
        topics: Sequence[Topic],
        source: Log,
        store: GroupStore,
        handler: Handler,
        limits: ConsumerLimits,
        clock: Clock,
        failpoints: Failpoints = NONE,
    ) -> None:
        self.group = group
        self.halted = False
        self.idle = False
        self._topics = [topic.name for topic in topics]
        self._source = source
        self._store = store
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._failpoints = failpoints
        self._positions: dict[str, Position] = {}
        self._consecutive_dead = 0
        self._stored_at = clock.monotonic()
        self._told_at = clock.monotonic() - 1

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; the batch in hand is finished first."""
        await self._resume(stop)
        turn_began = self._clock.monotonic()
        while not stop.is_set() and not self.halted:
            try:
                records, ranges = await self._source.poll(
                    self._topics, self._positions, self._limits.max_records
                )
            except Moved:
                await self._resume(stop)
                continue
            if records:
                await self._settle(records, ranges, stop)
            elif ranges:
                await self._pass_over(ranges)
            self.idle = not records
            await self._tell(records)
            if self._source.holds_more:
                continue
            # The time that handling took is age enough: what comes meanwhile gathers by itself.
            young = self._limits.max_age_seconds - (self._clock.monotonic() - turn_began)
            if len(records) < self._limits.max_records // 2 and young > 0:
                await pause(self._clock, young, stop)
            turn_began = self._clock.monotonic()
        self._source.close()

    async def _tell(self, records: Sequence[Record]) -> None:
        """Say how far behind the group is, at most once a second."""
        now = self._clock.monotonic()
        if now - self._told_at < 1:
            return
        self._told_at = now
        oldest = min((record.accepted_at_us for record in records), default=None)
        age = 0.0 if oldest is None else (micros(self._clock.now()) - oldest) / 1e6
        CONSUMER_BEHIND.labels(self.group).set(max(0.0, age))
        CONSUMER_LAG.labels(self.group).set(await self._source.waiting(self._positions))

    async def _resume(self, stop: asyncio.Event) -> None:
        """Take over what is stored; batches that were begun and not ended come first."""
        while not stop.is_set():
            try:
                intent = await self._reload()
                if intent is None:
                    return
                records = await self._source.reread(self._topics, intent)
            except Moved:
                continue
            except Unavailable as error:
                log.warning("consumer.waiting", group=self.group, reason=error.message)
                await pause(self._clock, self._limits.last_retry_seconds, stop)
            else:
                await self._settle(records, intent, stop)

    async def _reload(self) -> Ranges | None:
        state = await self._store.load(self.group)
        self._positions = dict(state.positions)
        self._restore(state.states)
        return state.intent

    def _restore(self, states: Mapping[str, bytes]) -> None:
        restore = getattr(self._handler, "restore", None)
        if restore is not None:
            restore(states)

    async def _pass_over(self, ranges: Ranges) -> None:
        """Move past records of other topics; storing that is urgent to nobody but the trimmer."""
        for source, (_, end) in ranges.items():
            self._positions[source] = Position(end, self._position(source).seqs)
        if self._clock.monotonic() - self._stored_at > self._limits.idle_commit_seconds:
            await self._commit(dict(self._positions), Effect())

    async def _commit(self, positions: Mapping[str, Position], effect: Effect) -> None:
        await self._store.commit(self.group, positions, effect)
        self._positions.update(positions)
        self._stored_at = self._clock.monotonic()

    async def _settle(self, records: Sequence[Record], ranges: Ranges, stop: asyncio.Event) -> None:
        """Take one batch to its end: done, rejected, or retried until it works, we stop or it moved."""
        delay = self._limits.first_retry_seconds
        crashes = tries = 0
        while True:
            try:
                if tries:
                    await self._reload()
                bisect = crashes >= self._limits.crashes_before_bisecting
                await self._step(records, ranges, one_by_one=bisect)
            except Moved:
                return
            except Unavailable as error:
                log.warning("consumer.retry", group=self.group, reason=error.message)
            except Exception:
                crashes += 1
                log.exception("consumer.crash", group=self.group, records=len(records))
            else:
                return
            CONSUMER_RETRIES.labels(self.group).inc()
            tries += 1
            if stop.is_set():
                return
            await pause(self._clock, delay, stop)
            delay = min(delay * 2, self._limits.last_retry_seconds)

    async def _step(self, records: Sequence[Record], ranges: Ranges, *, one_by_one: bool) -> None:
        fresh, positions = self._screen(records, ranges)
        sound = [record for record in fresh if not record.damage]
        self._failpoints.reach(self.group, Step.READ)
        if sound and getattr(self._handler, "exact_batches", False):
            await self._store.intend(self.group, ranges)
            self._failpoints.reach(self.group, Step.INTENDED)
        effect = await self._handle(sound, one_by_one=one_by_one) if sound else Effect()
        if len(sound) < len(fresh):
            effect = _joined([effect, _buried([record for record in fresh if record.damage])])
        self._failpoints.reach(self.group, Step.HANDLED)
        await self._commit({**self._positions, **positions}, effect)
        self._failpoints.reach(self.group, Step.TOLD)
        CONSUMED.labels(self.group).inc(len(fresh))
        self._weigh(effect.dead_letters, len(fresh))

    def _screen(
        self, records: Sequence[Record], ranges: Ranges
    ) -> tuple[list[Record], dict[str, Position]]:
        """The records not seen before, and the positions after this batch; losses are reported."""
        fresh: list[Record] = []
        seqs = {source: dict(self._position(source).seqs) for source in ranges}
        for record in records:
            if not record.placed:
                fresh.append(record)  # the next one in its lane will report the gap that it leaves
                continue
            lanes, lane = seqs[record.source], record.lane
            last = lanes.get(lane, 0)
            if record.seq <= last:
                DUPLICATES.labels(self.group).inc()
                continue
            if record.seq > last + 1 and (last or self._position(record.source).next_offset):
                self._report_gap(record, last)
            lanes[lane] = record.seq
            if record.headers.get(ONLY_FOR, self.group) == self.group:
                fresh.append(record)
        return fresh, {source: Position(end, seqs[source]) for source, (_, end) in ranges.items()}

    def _position(self, source: str) -> Position:
        return self._positions.get(source, Position())

    def _report_gap(self, record: Record, last: int) -> None:
        missing = record.seq - last - 1
        FACT_GAPS.labels(self.group).inc(missing)
        log.error("fact_gap", group=self.group, lane=record.lane, after=last, missing=missing)

    async def _handle(self, records: Sequence[Record], *, one_by_one: bool) -> Effect:
        if not one_by_one:
            return await self._handler.handle(records)
        effects: list[Effect] = []
        for record in records:
            effects.append(await self._isolate(record, effects))
        return _joined(effects)

    async def _isolate(self, record: Record, before: Sequence[Effect]) -> Effect:
        """Handle one record alone; if it alone makes the handler crash, it is the poison.

        A crash may leave the handler's state half changed: the next record finds what is stored and what
        the effects `before` made of it.
        """
        try:
            return await self._handler.handle([record])
        except Unavailable:
            raise
        except Exception as error:
            log.exception("consumer.poison", group=self.group, lane=record.lane, seq=record.seq)
            stored = (await self._store.load(self.group)).states
            states = {**stored, **_joined(before).states}
            self._restore({name: blob for name, blob in states.items() if blob is not None})
            return Effect(dead_letters=[DeadLetter(record, f"{type(error).__name__}: {error}")])

    def _weigh(self, dead_letters: Sequence[DeadLetter], handled: int) -> None:
        if not dead_letters:
            self._consecutive_dead = 0 if handled else self._consecutive_dead
            return
        DEAD_LETTERS.labels(self.group).inc(len(dead_letters))
        whole_batch = len(dead_letters) >= handled
        self._consecutive_dead = len(dead_letters) + (self._consecutive_dead if whole_batch else 0)
        if whole_batch and self._consecutive_dead >= self._limits.max_consecutive_dead_letters:
            self.halted = True
            CONSUMER_HALTED.labels(self.group).set(1)
            log.error("consumer.halted", group=self.group, rejected=self._consecutive_dead)


def _buried(damaged: Sequence[Record]) -> Effect:
    """What the disk made of these is for people to see; no handler can."""
    for record in damaged:
        log.error("record.damaged", source=record.source, offset=record.offset, seq=record.seq)
    return Effect(dead_letters=[DeadLetter(record, record.damage) for record in damaged])


def _joined(effects: Sequence[Effect]) -> Effect:
    states: dict[str, bytes | None] = {}
    for effect in effects:
        states.update(effect.states)
    return Effect(
        facts=[fact for effect in effects for fact in effect.facts],
        dead_letters=[letter for effect in effects for letter in effect.dead_letters],
        states=states,
    )
