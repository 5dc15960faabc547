"""From accepted to queryable: how many facts a second the log and the warehouse carry, and where the time goes.

    python -m benchmarks.ingest [--facts 100000] [--cluster]

Serialized interactions of 1.4 KB are appended to an outbox in this process as fast as it takes them. Embedded,
the warehouse, as `leeway up` starts it, stores them in its engine in a process of its own: `path`. Then the
same with the facts in the log before the warehouse starts: `sink`. `read` and `frame` are measured alone, in
this process; `insert` is what is left of the warehouse's time: HTTP, the engine, its merges. In a cluster the
relay, the broker, the sink and the engine are a process each, and the facts of several tenants spread over
partitions. A fact counts once SQL finds it; per core is per second of CPU time, of all processes that took part.
Goals: everything is stored exactly once, and the path carries `PATH_GOAL` facts a second. The last line is one
JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from benchmarks.facts import facts
from benchmarks.ingest import cluster, embedded
from benchmarks.ingest.measured import Measured
from shared.log.record import Fact

PATH_GOAL = 10_000  # facts a second, on two cores
SINK_GOAL = 100_000  # facts a second and core: not reached, and not asked for `ok`
TENANTS = 6  # of a cluster: a partition each

Run = Callable[[Path, Sequence[Fact]], Awaitable[Measured]]

EMBEDDED: Mapping[str, Run] = {"path": embedded.path, "sink": embedded.sink}
CLUSTER: Mapping[str, Run] = {"path": cluster.path}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--facts", type=int, default=100_000)
    parser.add_argument("--cluster", action="store_true", help="over Kafka")
    options = parser.parse_args()
    result = uvloop.run(_measure(options.facts, cluster=options.cluster))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


async def _measure(count: int, *, cluster: bool) -> dict[str, object]:
    runs: dict[str, Measured] = {}
    for name, run in (CLUSTER if cluster else EMBEDDED).items():
        made = _made(count, TENANTS if cluster else 1)
        with tempfile.TemporaryDirectory() as folder:
            runs[name] = await run(Path(folder), made)
        print(f"{name:>6}  {runs[name].figures()}", flush=True)
    once = all(run.stored_once for run in runs.values())
    return {
        "benchmark": "ingest",
        "mode": "cluster" if cluster else "embedded",
        "cpus": os.cpu_count(),
        "facts": count,
        **{name: run.figures() for name, run in runs.items()},
        "goal": {"path_facts_per_second": PATH_GOAL, "sink_facts_per_cpu_second": SINK_GOAL},
        "ok": once and runs["path"].facts_per_second >= PATH_GOAL,
    }


def _made(count: int, tenants: int) -> list[Fact]:
    """Facts of some tenants in turn."""
    each = [facts(count // tenants, f"tenant-{n}") for n in range(tenants)]
    return [fact for together in zip(*each, strict=True) for fact in together]


if __name__ == "__main__":
    main()
