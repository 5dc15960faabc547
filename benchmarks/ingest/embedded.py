"""The embedded log: an outbox that the warehouse reads from its file."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.ingest.appending import an_outbox, append
from benchmarks.ingest.measured import Measured
from benchmarks.ingest.warehouse import Warehouse, a_warehouse
from benchmarks.processes import cpu_seconds
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, read_schemas
from services.warehouse.stream import Sink
from shared.clickhouse import ProtobufSchema
from shared.clock import SystemClock
from shared.log.folder import FolderLog
from shared.log.record import Fact, Position
from shared.topics import INTERACTION_COMPLETED

BATCH = 5_000  # records, as the warehouse's own
TABLES = {table.topic.name: table.name for table in FACT_TABLES}


async def path(data: Path, made: Sequence[Fact]) -> Measured:
    """Facts appended as fast as the outbox takes them, while the warehouse stores them."""
    async with a_warehouse(data) as warehouse, an_outbox(data) as outbox:
        before, begun = cpu_seconds(warehouse.pid), time.perf_counter()
        appending = await append(outbox, made)
        return await _found(data, warehouse, len(made), before, begun, appending)


async def sink(data: Path, made: Sequence[Fact]) -> Measured:
    """The warehouse alone, behind a log that is full when it starts."""
    async with an_outbox(data) as outbox:
        await append(outbox, made)
    async with a_warehouse(data) as warehouse:
        before, begun = cpu_seconds(warehouse.pid), time.perf_counter()
        return await _found(data, warehouse, len(made), before, begun, 0.0)


async def _found(
    data: Path, warehouse: Warehouse, count: int, before: float, begun: float, appending: float
) -> Measured:
    """The run, once everything is found: what reading and framing cost alone is taken from the rest."""
    await warehouse.until_found(count)
    seconds = time.perf_counter() - begun
    spent = cpu_seconds(warehouse.pid) - before
    read, frame = await _alone(data)
    cpu = {"append": appending, "read": read, "frame": frame, "insert": spent - read - frame}
    return Measured(count, seconds, cpu, await warehouse.stored_once(count))


async def _alone(data: Path) -> tuple[float, float]:
    """The CPU seconds of reading the log, and of framing what is read."""
    source, framing = FolderLog(data / "log"), Sink(_Nowhere(), TABLES, SystemClock())
    positions: dict[str, Position] = {}
    read = frame = 0.0
    while True:
        begun = time.process_time()
        records, ranges = await source.poll([INTERACTION_COMPLETED.name], positions, BATCH)
        positions |= {name: Position(end) for name, (_, end) in ranges.items()}
        halfway = time.process_time()
        if not records:
            source.close()
            return read, frame
        await framing.handle(records)
        read, frame = read + halfway - begun, frame + time.process_time() - halfway


class _Nowhere:
    """A store that keeps nothing."""

    schemas: Mapping[str, ProtobufSchema] = read_schemas(Settings().protos)

    async def insert(self, table: str, block: bytes, token: str) -> None:
        del table, block, token
