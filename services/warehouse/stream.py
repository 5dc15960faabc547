"""Every fact to its table: grouped by topic, framed, inserted as exact batches, poison cut out."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from services.warehouse.domain import chunks, frames, token
from shared.clickhouse import ProtobufSchema
from shared.clock import Clock, micros
from shared.errors import Invalid
from shared.log.record import DeadLetter, Effect, Record
from shared.metrics import FRESHNESS
from shared.telemetry.tracing import Tracing


class Inserts(Protocol):
    """Where blocks of facts are stored."""

    schemas: Mapping[str, ProtobufSchema]

    async def insert(self, table: str, block: bytes, token: str) -> None:
        """Store a block once for its token; `Invalid` blames a record in it, `Unavailable` the store."""
        ...


def traced(store: Inserts, tracing: Tracing | None) -> Inserts:
    """The store, whose inserts are spans where tracing is on."""
    return store if tracing is None else TracedInserts(store, tracing)


class TracedInserts:
    """Gives each insert of a traced batch a span."""

    def __init__(self, store: Inserts, tracing: Tracing) -> None:
        self._store = store
        self._tracing = tracing
        self.schemas = store.schemas

    async def insert(self, table: str, block: bytes, token: str) -> None:
        """See `Inserts.insert`."""
        if not self._tracing.traceparent:
            await self._store.insert(table, block, token)
            return
        with self._tracing.span(f"insert {table}") as span:
            span.tell("db.system.name", "clickhouse")
            span.tell("leeway.bytes", len(block))
            await self._store.insert(table, block, token)


class Sink:
    """Writes records to the fact tables, effectively once.

    The runtime stores a batch's boundaries before it hands the batch over, and after a kill hands over
    the same batch again. So the same blocks are made again, under the same tokens, and the store
    drops those that it has. A refused block is halved until the record at fault stands alone.
    """

    exact_batches = True

    def __init__(self, store: Inserts, tables: Mapping[str, str], clock: Clock) -> None:
        self._store = store
        self._tables = tables
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> Effect:
        by_table: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_table[self._tables[record.topic]].append(record)
        writes = [self._write(table, rows) for table, rows in by_table.items()]
        # Every write comes to its end, whatever becomes of another: none may be under way when it is tried again.
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        dead: list[DeadLetter] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            dead += outcome
        return Effect(dead_letters=dead)

    async def _write(self, table: str, records: Sequence[Record]) -> list[DeadLetter]:
        framed = frames(records)
        dead: list[DeadLetter] = []
        for part in chunks([len(frame) for frame in framed]):
            dead += await self._settle(table, records[part], framed[part])
        return dead

    async def _settle(
        self, table: str, records: Sequence[Record], framed: Sequence[bytes]
    ) -> list[DeadLetter]:
        block = b"".join(framed)
        name = token(table, self._store.schemas[table].text, records, block)
        try:
            await self._store.insert(table, block, name)
        except Invalid as refusal:
            if len(records) == 1:
                return [DeadLetter(records[0], refusal.message)]
        else:
            self._tell_freshness(table, records)
            return []
        middle = len(records) // 2
        dead: list[DeadLetter] = []
        for half in (slice(None, middle), slice(middle, None)):
            dead += await self._settle(table, records[half], framed[half])
        return dead

    def _tell_freshness(self, table: str, records: Sequence[Record]) -> None:
        oldest_us = min(record.accepted_at_us for record in records)
        age_us = micros(self._clock.now()) - oldest_us
        FRESHNESS.labels(table).observe(max(0, age_us) / 1e6)
