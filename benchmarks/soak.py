"""Whether a worker's memory grows: calls and streams at a steady rate, and the slope of its memory after a warm-up.

    python -m benchmarks.soak [--minutes 30] [--warm-minutes 5] [--callers 8] [--rate 100]

The slope is Theil and Sen's (the median of the slopes of all pairs), which a few large answers do not move. Goals: less than
1 MB an hour, no error. The last line is one JSON object.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks.load import a_request, connected
from benchmarks.processes import resident_bytes
from benchmarks.serving.ways import ENDS, Way, a_server, leeway

MAX_MB_PER_HOUR = 1.0
LOOK_SECONDS = 10.0


@dataclass(slots=True)
class Soaked:
    """What was asked, what went wrong, and what the worker had in MB at which second."""

    calls: int = 0
    errors: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)

    def slope_mb_per_hour(self, after_seconds: float) -> float:
        """The median of the slopes of all pairs after the warm-up (Sen, 1968)."""
        kept = [(at, mb) for at, mb in self.memory if at >= after_seconds]
        pairs = itertools.combinations(kept, 2)
        return 3600 * statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


def main() -> None:
    given = _options()
    with ExitStack() as stack:
        upstream = stack.enter_context(a_server("tests.upstream"))
        through = stack.enter_context(leeway(upstream.url, 1))
        soaked = uvloop.run(_soak(through, 60 * given.minutes, given.callers, given.rate))
    result = _result(soaked, given)
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-minutes", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second, of all callers")
    return parser.parse_args()


def _result(soaked: Soaked, given: argparse.Namespace) -> dict[str, Any]:
    slope = soaked.slope_mb_per_hour(60 * given.warm_minutes)
    return {
        "benchmark": "soak",
        "cpus": os.cpu_count(),
        "minutes": given.minutes,
        "warm_minutes": given.warm_minutes,
        "calls": soaked.calls,
        "errors": soaked.errors,
        "worker_mb": [round(mb, 1) for _, mb in soaked.memory[:: max(1, len(soaked.memory) // 20)]],
        "slope_mb_per_hour": round(slope, 2),
        "ok": not soaked.errors and slope < MAX_MB_PER_HOUR,
    }


async def _soak(way: Way, seconds: float, callers: int, rate: float) -> Soaked:
    soaked, started = Soaked(), time.monotonic()
    looking = asyncio.create_task(_look(way.answering, soaked, started))
    await asyncio.gather(
        *(_call(way, soaked, started + seconds, callers / rate) for _ in range(callers))
    )
    looking.cancel()
    return soaked


async def _look(pids: Sequence[int], soaked: Soaked, started: float) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        held = sum(resident_bytes(pid) for pid in pids) / 2**20
        soaked.memory.append((time.monotonic() - started, held))


async def _call(way: Way, soaked: Soaked, until: float, every_seconds: float) -> None:
    """Whole answers and streams in turn, one every so often."""
    modes = {
        mode: (
            await connected(way.chat_url, end),
            a_request(way.chat_url, way.body(mode), way.headers),
        )
        for mode, end in ENDS.items()
    }
    for connection, request in itertools.cycle(modes.values()):
        began = time.monotonic()
        if began >= until:
            return
        sample = await connection.ask(request)
        soaked.calls += 1
        soaked.errors += not sample.whole
        await asyncio.sleep(max(0.0, began + every_seconds - time.monotonic()))


if __name__ == "__main__":
    main()
