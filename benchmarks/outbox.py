"""What it costs to accept a fact: the latency of `append`, one fact a call, while a follower reads.

    python -m benchmarks.outbox [--seconds 3]

`paced` is what an edge process meets: `RATE` facts a second, whether or not the last one is stored. In
the other cells callers ask again as soon as they are answered, as fast as the disk goes. A process of its
own follows the file all the while, so that checkpoints meet a reader, as they do in production. Goals:
every fact that was acknowledged is in the file once, the write-ahead log stays bounded, and at the pace no
more than 1 in 100 waits longer than `P99_MS`. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

import uvloop

from benchmarks.facts import facts
from shared.clock import SystemClock
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact, Position
from shared.topics import INTERACTION_COMPLETED

CALLERS = (1, 16, 64)
RATE = 1_000  # facts a second
POOL = 1_000_000  # more than the runs accept
P99_MS = 5.0
WAL_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What some callers met: a latency for each fact, in seconds."""

    latencies: Sequence[float]
    seconds: float

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
        times = {f"{name}_ms": ordered[int(share * len(ordered))] for name, share in shares.items()}
        times["max_ms"] = ordered[-1]
        rates = {"facts_per_second": round(len(ordered) / self.seconds)}
        return {**rates, **{name: round(1000 * value, 3) for name, value in times.items()}}


Load = Callable[[SqliteOutbox, Iterator[Fact]], Awaitable[Run]]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        result = uvloop.run(_measure(Path(name), options.seconds))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run")
    return parser.parse_args()


async def _measure(folder: Path, seconds: float) -> dict[str, object]:
    path = folder / "edge-0.db"
    pool = facts(POOL)
    cells: dict[str, dict[str, float]] = {}
    acknowledged = wal_bytes = 0
    async with SqliteOutbox(path, SystemClock()) as outbox:
        with _follower(folder):
            for name, load in _loads(seconds):
                run = await load(outbox, pool)
                cells[name] = run.figures()
                acknowledged += len(run.latencies)
                wal_bytes = max(wal_bytes, path.with_name(f"{path.name}-wal").stat().st_size)
                print(f"{name:>6}  {cells[name]}")
    stored = _stored(path)
    quick = cells["paced"]["p99_ms"] <= P99_MS
    return {
        "benchmark": "outbox",
        "cpus": os.cpu_count(),
        "cells": cells,
        "acknowledged": acknowledged,
        "stored": stored,
        "wal_bytes": wal_bytes,
        "goal": {"paced_p99_ms": P99_MS, "wal_bytes": WAL_BYTES},
        "ok": stored == acknowledged and quick and wal_bytes <= WAL_BYTES,
    }


def _loads(seconds: float) -> Iterator[tuple[str, Load]]:
    yield "paced", partial(_at_a_pace, seconds)
    for callers in CALLERS:
        yield f"c{callers}", partial(_as_fast_as_it_goes, callers, seconds)


async def _at_a_pace(seconds: float, outbox: SqliteOutbox, pool: Iterator[Fact]) -> Run:
    latencies: list[float] = []
    start = time.perf_counter()

    async def append_at(due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        latencies.append(await _append(outbox, next(pool)))

    dues = [start + n / RATE for n in range(int(seconds * RATE))]
    await asyncio.gather(*(append_at(due) for due in dues))
    return Run(latencies, time.perf_counter() - start)


async def _as_fast_as_it_goes(
    callers: int, seconds: float, outbox: SqliteOutbox, pool: Iterator[Fact]
) -> Run:
    latencies: list[float] = []
    start = time.perf_counter()

    async def keep_appending() -> None:
        while time.perf_counter() - start < seconds:
            latencies.append(await _append(outbox, next(pool)))

    await asyncio.gather(*(keep_appending() for _ in range(callers)))
    return Run(latencies, time.perf_counter() - start)


async def _append(outbox: SqliteOutbox, fact: Fact) -> float:
    begun = time.perf_counter()
    await outbox.append([fact])
    return time.perf_counter() - begun


@contextmanager
def _follower(folder: Path) -> Iterator[None]:
    """A process that reads the log from its start and on, as a group does."""
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=_follow, args=(folder, begun), daemon=True)
    process.start()
    begun.wait(30)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _follow(folder: Path, begun: Event) -> None:
    begun.set()
    asyncio.run(_read_on(FolderLog(folder)))


async def _read_on(source: FolderLog) -> None:
    positions: dict[str, Position] = {}
    while True:
        records, ranges = await source.poll([INTERACTION_COMPLETED.name], positions, 500)
        positions |= {name: Position(end) for name, (_, end) in ranges.items()}
        if len(records) < 250:
            await asyncio.sleep(0.05)


def _stored(path: Path) -> int:
    with sqlite3.connect(path) as db:
        count: int = db.execute("SELECT count(DISTINCT event_id) FROM records").fetchone()[0]
        whole: int = db.execute("SELECT count(*) FROM records").fetchone()[0]
    db.close()
    return count if count == whole else -1


if __name__ == "__main__":
    main()
