"""A thousand streams at once: whether all are whole, what the first token waits for, and how much memory it takes.

    python -m benchmarks.streams [--streams 1000] [--workers 2] [--pause 0.5]

The upstream sends an event every `--pause` seconds; all streams are open at once before the first one ends. Straight
first, then through. Goals: no error, every call queryable, each worker under 300 MB. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import ExitStack
from typing import Any

import uvloop

from benchmarks.load import Connection, Load, a_request, connected
from benchmarks.processes import memory_of
from benchmarks.serving.measuring import recorded
from benchmarks.serving.ways import ENDS, Way, a_server, leeway

MAX_RESIDENT_BYTES = 300 * 1024 * 1024
RAMP_SECONDS = 2.0


def main() -> None:
    given = _options()
    with ExitStack() as stack:
        upstream = stack.enter_context(a_server("tests.upstream"))
        through = stack.enter_context(leeway(upstream.url, given.workers))
        straight = Way("straight", upstream.url)
        result = uvloop.run(_result(straight, through, given.streams, given.pause))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two events")
    return parser.parse_args()


async def _result(straight: Way, through: Way, streams: int, pause: float) -> dict[str, Any]:
    run = f"streams-{time.time_ns()}"
    alone = await _all_at_once(straight, run, streams, pause)
    async with memory_of(through.answering) as memory:
        load = await _all_at_once(through, run, streams, pause)
    found = await recorded(through.sql, run, streams) if through.sql else 0
    return {
        "benchmark": "streams",
        "cpus": os.cpu_count(),
        "streams": streams,
        "workers": len(through.answering),
        "errors": load.errors,
        "recorded": found,
        "first_token_ms_added": {
            name: round(_first(load, share) - _first(alone, share), 1)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        },
        "worker_mb_at_most": round(memory.most / 2**20, 1),
        "ok": not load.errors and found == streams and memory.most < MAX_RESIDENT_BYTES,
    }


def _first(load: Load, share: float) -> float:
    return load.percentile_ms(share, first_byte=True)


async def _all_at_once(way: Way, run: str, streams: int, pause: float) -> Load:
    """Open every stream within `RAMP_SECONDS`, and read each to its end."""
    body = {**json.loads(way.body("stream")), "stub": {"pause": pause}}
    headers = [*way.headers, f"x-leeway-tags: run={run}"]
    request = a_request(way.chat_url, json.dumps(body).encode(), headers)
    connections = [await connected(way.chat_url, ENDS["stream"]) for _ in range(streams)]
    load, started = Load(), time.perf_counter()

    async def ask(place: int, connection: Connection) -> None:
        await asyncio.sleep(RAMP_SECONDS * place / streams)
        load.samples.append(await connection.ask(request))
        connection.close()

    await asyncio.gather(*(ask(place, one) for place, one in enumerate(connections)))
    load.seconds = time.perf_counter() - started
    return load


if __name__ == "__main__":
    main()
