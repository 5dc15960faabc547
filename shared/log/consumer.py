"""A group's loop: poll, drop duplicates, see losses, handle, and store effect and position as one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from shared.clock import Clock, micros, pause
from shared.errors import Unavailable
from shared.failpoints import NONE, Failpoints, Step
from shared.log.file import GroupState, Ranges
from shared.log.folder import Log
from shared.log.lag import Lag
from shared.log.lanes import Screened, screen
from shared.log.notes import Notes, without_notes
from shared.log.record import DeadLetter, Effect, Handler, Moved, Position, Record
from shared.log.tally import Tally
from shared.metrics import (
    CONSUMED,
    CONSUMER_HALTED,
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
    """A batch has a size and an age; retries back off; too many dead letters stop the group.

    A group halts at `max_consecutive_dead_letters`, or when so many are more than `max_dead_letter_share`
    of about the last `dead_letter_window_records`. One that has halted is not trusted until it has handled
    as many records again: till then it halts at `dead_letters_after_halt`, counted in the same two ways.
    """

    max_records: int = 500
    max_age_seconds: float = 0.2
    first_retry_seconds: float = 0.1
    last_retry_seconds: float = 5.0
    idle_commit_seconds: float = 10.0
    crashes_before_bisecting: int = 3
    # A broken sender is one tenant among many; what a bad deploy refuses comes to this within seconds.
    max_consecutive_dead_letters: int = 1000
    max_dead_letter_share: float = 0.2
    dead_letter_window_records: int = 5_000  # the run's limit is a fifth of it
    dead_letters_after_halt: int = (
        100  # what each restart of the same bad deploy may cost, and a batch
    )


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
        self._notes = Notes()
        self._tally = Tally()
        self._lag = Lag(group, source, clock)
        self._tried_to_store_at = clock.monotonic()
        self._unstorable = False

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; the batch in hand is finished first."""
        self._begin_series()
        await self._resume(stop)
        turn_began = self._clock.monotonic()
        while not stop.is_set() and not self.halted:
            try:
                records = await self._turn(stop)
            except Moved:
                await self._resume(stop)
                continue
            if self._source.holds_more:
                continue
            # The time that handling took is age enough: what comes meanwhile gathers by itself.
            young = self._limits.max_age_seconds - (self._clock.monotonic() - turn_began)
            if len(records) < self._limits.max_records // 2 and young > 0:
                await pause(self._clock, young, stop)
            turn_began = self._clock.monotonic()
        self._source.close()

    def _begin_series(self) -> None:
        """Tell everything once: of a counter that begins at its first count no rate is seen."""
        for counter in (CONSUMED, CONSUMER_RETRIES, DEAD_LETTERS, DUPLICATES, FACT_GAPS):
            counter.labels(self.group)
        CONSUMER_HALTED.labels(self.group).set(0)

    async def _turn(self, stop: asyncio.Event) -> Sequence[Record]:
        """One batch, from the log to its end. Raises `Moved`."""
        records, ranges = await self._source.poll(
            self._topics, self._positions, self._limits.max_records
        )
        if records:
            await self._settle(records, ranges, stop)
        elif ranges:
            await self._pass_over(ranges)
        self.idle = not records
        await self._lag.tell(records, self._positions)
        return records

    async def _resume(self, stop: asyncio.Event) -> None:
        """Take over what is stored; batches that were begun and not ended come first."""
        while not (stop.is_set() or self.halted):
            try:
                intent = await self._reload()
                if intent is None:
                    return
                records = await self._source.reread(self._topics, intent)
                await self._settle(records, intent, stop)
            except Moved:
                continue
            except Unavailable as error:
                log.warning("consumer.waiting", group=self.group, reason=error.message)
                await self._lag.tell_stuck(self._positions)
                await pause(self._clock, self._limits.last_retry_seconds, stop)

    async def _reload(self) -> Ranges | None:
        state = await self._store.load(self.group)
        self._positions = dict(state.positions)
        self._notes.recall(state.states)
        self._restore(without_notes(state.states))
        return state.intent

    def _restore(self, states: Mapping[str, bytes]) -> None:
        restore = getattr(self._handler, "restore", None)
        if restore is not None:
            restore(states)

    async def _pass_over(self, ranges: Ranges) -> None:
        """Move past records of other topics; storing that is urgent to nobody but the trimmer."""
        self._notes.begin(ranges, self._positions, micros(self._clock.now()))
        for source, (_, end) in ranges.items():
            self._positions[source] = Position(end, self._position(source).seqs)
        idle_seconds = self._clock.monotonic() - self._tried_to_store_at
        if idle_seconds <= self._limits.idle_commit_seconds:
            return
        try:
            await self._commit(dict(self._positions), Effect())
        except Unavailable as error:
            if not self._unstorable:
                log.warning("consumer.not_stored", group=self.group, reason=error.message)
            self._unstorable = True

    async def _commit(self, positions: Mapping[str, Position], effect: Effect) -> None:
        self._tried_to_store_at = self._clock.monotonic()
        whole = replace(effect, states={**effect.states, **self._notes.unstored()})
        await self._store.commit(self.group, positions, whole)
        self._positions.update(positions)
        self._notes.stored()
        self._unstorable = False

    async def _settle(self, records: Sequence[Record], ranges: Ranges, stop: asyncio.Event) -> None:
        """Take one batch to its end: done, rejected, or retried until it works or we stop. Raises `Moved`."""
        delay = self._limits.first_retry_seconds
        crashes = tries = 0
        while True:
            try:
                if tries:
                    await self._reload()
                bisect = crashes >= self._limits.crashes_before_bisecting
                await self._step(records, ranges, one_by_one=bisect)
            except Moved:
                raise
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
            await self._lag.tell_stuck(self._positions, records, ranges)
            await pause(self._clock, delay, stop)
            delay = min(delay * 2, self._limits.last_retry_seconds)

    async def _step(self, records: Sequence[Record], ranges: Ranges, *, one_by_one: bool) -> None:
        self._notes.begin(ranges, self._positions, micros(self._clock.now()))
        found = screen(self.group, records, ranges, self._positions, self._notes.began_us)
        sound = [record for record in found.fresh if not record.damage]
        self._failpoints.reach(self.group, Step.READ)
        if sound and getattr(self._handler, "exact_batches", False):
            await self._store.intend(self.group, ranges)
            self._failpoints.reach(self.group, Step.INTENDED)
        effect = await self._handle(sound, one_by_one=one_by_one) if sound else Effect()
        if len(sound) < len(found.fresh):
            effect = _joined([effect, _buried([r for r in found.fresh if r.damage])])
        self._failpoints.reach(self.group, Step.HANDLED)
        tally, halting = self._weigh(found.fresh, effect.dead_letters)
        await self._commit({**self._positions, **found.positions}, effect)
        self._failpoints.reach(self.group, Step.TOLD)
        self._tally = tally
        self._tell(found, len(effect.dead_letters))
        if halting:
            self._halt()

    def _position(self, source: str) -> Position:
        return self._positions.get(source, Position())

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
            stored = without_notes((await self._store.load(self.group)).states)
            states = {**stored, **_joined(before).states}
            self._restore({name: blob for name, blob in states.items() if blob is not None})
            return Effect(dead_letters=[DeadLetter(record, f"{type(error).__name__}: {error}")])

    def _weigh(
        self, handled: Sequence[Record], letters: Sequence[DeadLetter]
    ) -> tuple[Tally, bool]:
        """The tally behind a batch, and whether it is too much; the group's next member is to know."""
        limits = self._limits
        most = limits.max_consecutive_dead_letters
        if self._notes.halted:
            if self._tally.records < most:
                most = min(most, limits.dead_letters_after_halt)
            else:
                self._notes.trust({record.source for record in handled})
        tally = self._tally.after(handled, letters, limits.dead_letter_window_records)
        halting = bool(letters) and tally.too_many(most, limits.max_dead_letter_share)
        if halting:
            self._notes.halt(letters[-1].record.source)
        return tally, halting

    def _tell(self, found: Screened, letters: int) -> None:
        """Count a batch, once it is stored."""
        CONSUMED.labels(self.group).inc(len(found.fresh))
        DUPLICATES.labels(self.group).inc(found.duplicates)
        DEAD_LETTERS.labels(self.group).inc(letters)
        for gap in found.gaps:
            FACT_GAPS.labels(self.group).inc(gap.missing)
            log.error(
                "fact_gap",
                group=self.group,
                lane=gap.lane,
                after=gap.after,
                missing=gap.missing,
            )

    def _halt(self) -> None:
        self.halted = True
        CONSUMER_HALTED.labels(self.group).set(1)
        log.error(
            "consumer.halted",
            group=self.group,
            in_a_row=self._tally.in_a_row,
            rejected=self._tally.dead,
            of=self._tally.records,
        )


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
