"""What passing through Leeway adds to a call: latency, throughput and CPU, against others on the same machine.

    python -m benchmarks.serving [--seconds 2] [--repeats 3] [--workers 1 2] [--peers FOLDER]
    python -m benchmarks.serving --url URL --key KEY --model NAME --upstream URL

Everything is on: keys, the gate, the open call, the record before the answer, the price. Every way is measured in turn:
straight, over a bare forwarder on the same HTTP stack, over Leeway, and with `--peers` over LiteLLM's proxy and
Portkey's gateway, which are installed into that folder on the first run. Goals: `goals.py`; no call over Leeway
fails, and with an installation of its own every call is queryable in SQL. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.serving.goals import goals
from benchmarks.serving.measuring import STRAIGHT, Measured, measure, recorded
from benchmarks.serving.peers import peers
from benchmarks.serving.ways import Way, a_server, leeway


def main() -> None:
    given = _options()
    with _ways(given) as ways:
        result = uvloop.run(_result(ways, given.seconds, given.repeats))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="of each Leeway")
    parser.add_argument(
        "--peers", type=Path, help="where other gateways are, or will be, installed"
    )
    parser.add_argument("--url", default="", help="a running Leeway, instead of one of its own")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", default="bench", help="its public name of the upstream's model")
    parser.add_argument("--upstream", default="", help="the upstream that this model is routed to")
    return parser.parse_args()


@contextmanager
def _ways(given: argparse.Namespace) -> Iterator[list[Way]]:
    with ExitStack() as stack:
        upstream = given.upstream or stack.enter_context(a_server("tests.upstream")).url
        forwarder = stack.enter_context(a_server("benchmarks.serving.forwarder", upstream))
        ways = [Way(STRAIGHT, upstream), replace(forwarder, name="forwarder")]
        if given.url:
            headers = (f"authorization: Bearer {given.key}",)
            ways.append(Way("leeway", given.url, given.model, headers, asks_usage=False))
        else:
            ways += [stack.enter_context(leeway(upstream, count)) for count in given.workers]
        if given.peers:
            ways += stack.enter_context(peers(given.peers, upstream))
        yield ways


async def _result(ways: Sequence[Way], seconds: float, repeats: int) -> dict[str, Any]:
    run = f"bench-{time.time_ns()}"
    measured = await measure(ways, run, seconds, repeats)
    found = {
        way.name: await recorded(way.sql, run, measured.sent[way.name]) for way in ways if way.sql
    }
    errors = _errors(measured)
    lost = {name: measured.sent[name] - count for name, count in found.items()}
    told = goals(measured.cells)
    return {
        "benchmark": "serving",
        "cpus": os.cpu_count(),
        "calls": measured.sent,
        "errors": errors,
        "recorded": found,
        "cells": measured.cells,
        "goals": [goal.told() for goal in told],
        "ok": not _ours(errors) and not any(lost.values()) and all(goal.ok for goal in told),
    }


def _errors(measured: Measured) -> dict[str, float]:
    """How many calls over each way were not answered whole."""
    return {
        way: sum(cell[way]["errors"] for cell in measured.cells.values()) for way in measured.sent
    }


def _ours(errors: Mapping[str, float]) -> float:
    return sum(count for way, count in errors.items() if way.startswith("leeway"))


if __name__ == "__main__":
    main()
