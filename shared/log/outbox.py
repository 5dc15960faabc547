"""The outbox of a process: many callers, one writer thread, one transaction for all who wait."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import structlog

from shared.clock import Clock, micros
from shared.errors import Unavailable
from shared.log.checkpoint import Checkpointer, CheckpointLimits
from shared.log.file import Commit, GroupState, OutboxFile, Ranges, Trimmed, Write
from shared.log.folder import FolderLog
from shared.log.reader import UNREADABLE
from shared.log.record import Effect, Fact, OpenCall, Position, furthest
from shared.log.sealed import Damaged
from shared.metrics import FACTS_ACCEPTED, OUTBOX_DAMAGED

log = structlog.get_logger()

TRIM_STEP = 250  # records

_Waiting = tuple[Write, "asyncio.Future[Sequence[Fact]]"]


class SqliteOutbox:
    """An `Outbox` in a SQLite file, and the store of the positions of the groups of its process.

    Group commit: while one transaction is being written, later callers gather; the next transaction
    takes them all. `NORMAL` survives a kill of the process, `FULL` a loss of power. What is `forwarded`
    goes on to where its numbers are remembered, whatever a loss of power takes here: after each life
    that did not end in order, numbers are given in lanes of their own.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        synchronous: str = "NORMAL",
        forwarded: bool = False,
        queue_limit: int = 20_000,
        checkpoints: CheckpointLimits = CheckpointLimits(),  # noqa: B008 (a frozen value)
    ) -> None:
        self._folder = path.parent
        self._file = OutboxFile(path, synchronous=synchronous)
        self._producer = path.stem
        self._clock = clock
        self._forwarded = forwarded
        self._queue_limit = queue_limit
        self._waiting: list[_Waiting] = []
        self._more = threading.Condition()
        self._file_lock = threading.Lock()
        self._checkpointer = Checkpointer(
            path, self._file.flush, self._file_lock, checkpoints, synchronous=synchronous
        )
        self._closing = False
        self._orphans: Sequence[OpenCall] = ()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._file.open()
        with ExitStack() as undo:
            undo.callback(self._file.close)
            await asyncio.to_thread(self._go_on)
            self._orphans = self._file.orphans()
            undo.pop_all()
        self._checkpointer.start()
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._more:
            self._closing = True
            self._more.notify()
        await asyncio.to_thread(self._thread.join)
        self._file.seal()
        await asyncio.to_thread(self._checkpointer.close)
        self._file.close()

    async def append(self, facts: Sequence[Fact], *, closes: Sequence[str] = ()) -> Sequence[Fact]:
        """See `Outbox.append`."""
        return await self._put(Write(facts=facts, closes=closes))

    async def open(self, call: OpenCall) -> None:
        """See `Outbox.open`."""
        await self._put(Write(opens=(call,)))

    def orphans(self) -> Sequence[OpenCall]:
        """See `Outbox.orphans`."""
        return self._orphans

    async def load(self, group: str) -> GroupState:
        """What a group of this process has stored. Raises `Unavailable` while it is damaged: a person decides."""
        try:
            return await asyncio.to_thread(self._load, group)
        except Damaged as damage:
            self._tell_damage(str(damage))
            raise Unavailable(
                f"Where {group} stands is not known, and it waits: {self._producer}.db is damaged, {damage}."
            ) from damage

    async def intend(self, group: str, ranges: Ranges) -> None:
        """Store which exact batch a group is about to handle; it is the same after a restart."""
        await self._put(Write(intent=(group, ranges)))

    async def commit(self, group: str, positions: Mapping[str, Position], effect: Effect) -> None:
        """Store a group's effect and its new positions, and end its intent, in one transaction."""
        step = Commit(group, positions, effect.dead_letters, effect.states)
        await self._put(Write(facts=effect.facts, commit=step))

    async def trim(self, before_offset: int, keep: Sequence[str], seen_before_us: int) -> int:
        """Delete the records before an offset that no group needs any more; how many went.

        It goes in small steps, so that no append waits for long.
        """
        gone = start = 0
        while start < before_offset:
            step = await asyncio.to_thread(self._trim, range(start, before_offset), keep)
            gone, start = gone + step.records, step.next_offset
        while await asyncio.to_thread(self._forget, seen_before_us) == TRIM_STEP:
            pass
        return gone

    def _go_on(self) -> None:
        for damage in self._file.damages():
            self._tell_damage(damage)
        if gone := self._file.go_on_from(self._furthest_read()):
            log.error("outbox.tail_lost", source=self._file.source, offsets=gone)
        doubtful = self._forwarded and not self._file.whole
        if gone or doubtful or not self._file.numbered:
            self._file.begin_epoch()
            log.info("outbox.epoch_began", source=self._file.source)

    def _furthest_read(self) -> Position:
        """The furthest that any group has come here; one whose position is damaged waits for a person."""
        folder = FolderLog(self._folder)
        read = list[Position]()
        for reader in folder.readers():
            try:
                read.append(reader.furthest(self._file.source))
            except UNREADABLE as error:
                log.error("outbox.unreadable", producer=reader.producer, error=str(error))
        folder.close()
        return furthest(read)

    def _tell_damage(self, damage: str) -> None:
        OUTBOX_DAMAGED.labels(self._producer).set(1)
        log.error("outbox.damaged", producer=self._producer, damage=damage)

    def _load(self, group: str) -> GroupState:
        with self._file_lock:
            return self._file.group(group)

    def _trim(self, offsets: range, keep: Sequence[str]) -> Trimmed:
        with self._file_lock:
            return self._file.trim(offsets, keep, TRIM_STEP)

    def _forget(self, before_us: int) -> int:
        with self._file_lock:
            return self._file.forget(before_us, TRIM_STEP)

    async def _put(self, write: Write) -> Sequence[Fact]:
        done: asyncio.Future[Sequence[Fact]] = self._loop.create_future()
        with self._more:
            if self._closing:
                raise Unavailable("The process is stopping.")
            if len(self._waiting) >= self._queue_limit:
                raise Unavailable("The outbox is behind; try again.", retry_after_seconds=1)
            self._waiting.append((write, done))
            self._more.notify()
        # Whoever is cancelled here waits no more; it is written all the same.
        return await done

    def _write_all(self) -> None:
        while batch := self._gather():
            try:
                with self._file_lock:
                    writes = [write for write, _ in batch]
                    refused = self._file.write(writes, micros(self._clock.now()))
                    pages = self._file.pages_changed
            except (sqlite3.Error, OSError) as error:
                log.error("outbox.write_failed", error=str(error))
                failure = Unavailable(f"The outbox cannot be written: {error}.")
                self._loop.call_soon_threadsafe(_fail, batch, failure)
            else:
                self._loop.call_soon_threadsafe(_succeed, batch, refused)
                self._checkpointer.wrote(pages)

    def _gather(self) -> list[_Waiting]:
        with self._more:
            while not self._waiting and not self._closing:
                self._more.wait()
            batch, self._waiting = self._waiting, []
            return batch


def _succeed(batch: list[_Waiting], refused: list[Sequence[Fact]]) -> None:
    taken = Counter(fact.topic.name for write, _ in batch for fact in write.facts)
    taken.subtract(fact.topic.name for facts in refused for fact in facts)
    for topic, count in taken.items():
        FACTS_ACCEPTED.labels(topic).inc(count)
    for (_, done), facts in zip(batch, refused, strict=True):
        if not done.done():
            done.set_result(facts)


def _fail(batch: list[_Waiting], error: Unavailable) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
