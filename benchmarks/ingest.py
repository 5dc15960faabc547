"""From accepted to queryable: how many facts a second the log and the warehouse carry, and where the time goes.

    python -m benchmarks.ingest [--facts 100000]

Serialized interactions of 1.5 KB are appended to an outbox in this process as fast as it takes them, while
the warehouse, as `leeway up` starts it, stores them in its engine in a process of its own: `path`. Then the
same with the facts in the log before the warehouse starts: `sink`. A fact counts once SQL finds it; per core
is per second of CPU time, of all processes that took part. `read` and `frame` are measured alone, in this
process; `insert` is what is left of the warehouse's time: HTTP, the engine, its merges. Goals: everything is
stored exactly once, and the path carries `PATH_GOAL` facts a second. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from benchmarks.facts import facts
from benchmarks.processes import cpu_seconds
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, read_schemas
from services.warehouse.stream import Sink
from shared.clickhouse import ClickHouse, ProtobufSchema
from shared.clock import SystemClock
from shared.lifecycle import ClickHouseAddress
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact, Position
from shared.secrets_folder import SecretsFolder
from shared.topics import INTERACTION_COMPLETED

PATH_GOAL = 10_000  # facts a second, on two cores
SINK_GOAL = 100_000  # facts a second and core: not reached, and not asked for `ok`
CALLERS, FACTS_PER_CALL = 4, 100
BATCH = 5_000  # records, as the warehouse's own
TABLES = {table.topic.name: table.name for table in FACT_TABLES}
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each part of the path."""

    append: float
    read: float
    frame: float
    insert: float

    @property
    def total(self) -> float:
        return self.append + self.read + self.frame + self.insert


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its facts, how long until the last was found, and what it cost."""

    facts: int
    seconds: float
    cost: Cost
    stored_once: bool

    def figures(self) -> dict[str, object]:
        return {
            "facts_per_second": round(self.facts / self.seconds),
            "facts_per_cpu_second": round(self.facts / self.cost.total),
            "cpu_seconds": {name: round(value, 2) for name, value in asdict(self.cost).items()},
            "stored_once": self.stored_once,
        }


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse that runs: its process, and where its SQL is asked."""

    pid: int
    clickhouse: ClickHouse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--facts", type=int, default=100_000)
    result = uvloop.run(_measure(parser.parse_args().facts))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


async def _measure(count: int) -> dict[str, object]:
    runs = {}
    for name, run in (("path", _path), ("sink", _sink)):
        made = list(facts(count))
        with tempfile.TemporaryDirectory() as folder:
            runs[name] = await run(Path(folder), made)
        print(f"{name:>6}  {runs[name].figures()}")
    once = all(run.stored_once for run in runs.values())
    quick = count / runs["path"].seconds >= PATH_GOAL
    return {
        "benchmark": "ingest",
        "cpus": os.cpu_count(),
        "facts": count,
        **{name: run.figures() for name, run in runs.items()},
        "goal": {"path_facts_per_second": PATH_GOAL, "sink_facts_per_cpu_second": SINK_GOAL},
        "ok": once and quick,
    }


async def _path(data: Path, made: Sequence[Fact]) -> Measured:
    async with _a_warehouse(data) as warehouse, _an_outbox(data) as outbox:
        before, begun = cpu_seconds(warehouse.pid), time.perf_counter()
        append = await _append(outbox, made)
        await _until_found(warehouse, len(made))
        seconds = time.perf_counter() - begun
        spent = cpu_seconds(warehouse.pid) - before
        once = await _stored_once(warehouse, len(made))
    return Measured(len(made), seconds, await _cost(data, append, spent), once)


async def _sink(data: Path, made: Sequence[Fact]) -> Measured:
    async with _an_outbox(data) as outbox:
        await _append(outbox, made)
    async with _a_warehouse(data) as warehouse:
        before, begun = cpu_seconds(warehouse.pid), time.perf_counter()
        await _until_found(warehouse, len(made))
        seconds = time.perf_counter() - begun
        spent = cpu_seconds(warehouse.pid) - before
        once = await _stored_once(warehouse, len(made))
    return Measured(len(made), seconds, await _cost(data, 0.0, spent), once)


async def _cost(data: Path, append: float, warehouse: float) -> Cost:
    """The parts: what reading and framing take alone is taken from the warehouse's time."""
    source, sink = FolderLog(data / "log"), Sink(_Nowhere(), TABLES, SystemClock())
    positions: dict[str, Position] = {}
    read = frame = 0.0
    while True:
        begun = time.process_time()
        records, ranges = await source.poll([INTERACTION_COMPLETED.name], positions, BATCH)
        positions |= {name: Position(end) for name, (_, end) in ranges.items()}
        halfway = time.process_time()
        await sink.handle(records)
        read, frame = read + halfway - begun, frame + time.process_time() - halfway
        if not records:
            source.close()
            return Cost(append, read, frame, warehouse - read - frame)


class _Nowhere:
    """A store that keeps nothing."""

    schemas: Mapping[str, ProtobufSchema] = read_schemas(Settings().protos)

    async def insert(self, table: str, block: bytes, token: str) -> None:
        del table, block, token


async def _append(outbox: SqliteOutbox, made: Sequence[Fact]) -> float:
    """Append everything as the doors do, some facts a call; the CPU seconds that it took."""
    before = time.process_time()
    calls = iter(range(0, len(made), FACTS_PER_CALL))

    async def keep_appending() -> None:
        for first in calls:
            await outbox.append(made[first : first + FACTS_PER_CALL])

    await asyncio.gather(*(keep_appending() for _ in range(CALLERS)))
    return time.process_time() - before


async def _until_found(warehouse: Warehouse, count: int) -> None:
    found = 0
    async with asyncio.timeout(120):
        while found < count:
            await asyncio.sleep(LOOK_SECONDS)
            found = await _number(warehouse, "SELECT sum(facts) AS n FROM leeway.stored")


async def _stored_once(warehouse: Warehouse, count: int) -> bool:
    rows = "SELECT count() AS n FROM leeway.interactions"
    ids = "SELECT uniqExact(interaction_id) AS n FROM leeway.interactions_v1"
    return await _number(warehouse, rows) == count and await _number(warehouse, ids) == count


async def _number(warehouse: Warehouse, sql: str) -> int:
    return int((await warehouse.clickhouse.query(sql))[0]["n"])


def _an_outbox(data: Path) -> SqliteOutbox:
    return SqliteOutbox(data / "log" / "edge-0.db", SystemClock())


@asynccontextmanager
async def _a_warehouse(data: Path) -> AsyncIterator[Warehouse]:
    """The process `core` with the warehouse alone in it, as the supervisor starts it."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready, told = os.pipe()
    port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "core", "--services", "warehouse"),
        *("--ready-fd", str(told), "--sql-port", str(port)),
        pass_fds=(told, listener.fileno()),
        env={
            **os.environ,
            "LEEWAY_DATA": str(data),
            "LEEWAY_WAREHOUSE_LISTEN_FD": str(listener.fileno()),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    os.close(told)
    await asyncio.to_thread(os.read, ready, 1)
    secrets = SecretsFolder(data)
    address = ClickHouseAddress(
        f"http://127.0.0.1:{port}", secrets.operator_user, secrets.operator_password()
    )
    try:
        async with ClickHouse(address) as clickhouse:
            yield Warehouse(process.pid, clickhouse)
    finally:
        process.terminate()
        await process.wait()
        listener.close()
        os.close(ready)


if __name__ == "__main__":
    main()
