"""What passing through Leeway adds to a call: latency, and throughput, against the upstream itself.

    python -m benchmarks.serving [--seconds 2] [--repeats 3]
    python -m benchmarks.serving --url URL --key KEY --model NAME --upstream URL

Everything is on: keys, the gate, the open call, the record before the answer, the price. Straight and
through are measured in turn, so that both meet the same noise. Goals: no request fails, and with an
installation of its own every call is queryable in SQL. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.load import Load, a_request, run_load
from benchmarks.processes import cpu_seconds

CONCURRENCIES = (1, 16, 64)
QUESTION = "How do I reset the thermostat after a power cut? " * 8
ENDS = {"complete": b"}", "stream": b"data: [DONE]\n\n"}
CONFIG = """
providers:
  - name: openai
    kind: openai
    base_url: {upstream}/v1
models:
  - name: bench
    routes:
      - provider: openai
        model: gpt-4o-mini
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where Leeway answers, and where what it recorded can be counted."""

    url: str
    key: str
    model: str
    sql_url: str = ""
    sql_user: str = ""
    sql_password: str = ""
    edge_pids: tuple[int, ...] = ()

    def edge_cpu_seconds(self) -> float:
        """What its edge processes have cost so far; 0 when they are not ours."""
        return sum(cpu_seconds(pid) for pid in self.edge_pids)


@dataclass(slots=True)
class Cell:
    """The runs of one mode at one concurrency, straight and through."""

    straight: list[Load]
    through: list[Load]
    edge_cpu_seconds: float = 0.0

    @property
    def errors(self) -> int:
        return sum(load.errors for load in [*self.straight, *self.through])

    def figures(self, *, stream: bool) -> dict[str, float]:
        """Medians over the repeats; added latency is through less straight."""
        figures = {
            "rps_straight": _median(self.straight, "rps"),
            "rps_through": _median(self.through, "rps"),
            "errors": self.errors,
        }
        for name, share in (("p50", 0.50), ("p99", 0.99)):
            there, here = _latency(self.straight, share), _latency(self.through, share)
            figures |= {f"{name}_ms_through": here, f"{name}_ms_added": here - there}
        if stream:
            there = _latency(self.straight, 0.5, first_byte=True)
            here = _latency(self.through, 0.5, first_byte=True)
            figures["first_byte_p50_ms_added"] = here - there
        if self.edge_cpu_seconds:
            answered = sum(len(load.samples) for load in self.through)
            figures["edge_cpu_ms_per_call"] = 1000 * self.edge_cpu_seconds / answered
        return {name: round(value, 3) for name, value in figures.items()}


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        upstream = options.upstream or stack.enter_context(_upstream())
        place = (
            Place(options.url, options.key, options.model)
            if options.url
            else stack.enter_context(_installation(upstream))
        )
        result = uvloop.run(_measure(upstream, place, options.seconds, options.repeats))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--url", default="", help="a running Leeway, instead of one of its own")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", default="bench", help="its public name of the upstream's model")
    parser.add_argument("--upstream", default="", help="the upstream that this model is routed to")
    return parser.parse_args()


async def _measure(upstream: str, place: Place, seconds: float, repeats: int) -> dict[str, Any]:
    run = f"bench-{time.time_ns()}"
    cells: dict[str, dict[str, float]] = {}
    sent = errors = 0
    for mode in ENDS:
        for concurrency in CONCURRENCIES:
            cell = await _cell(upstream, place, run, mode, concurrency, seconds, repeats)
            name = f"{mode}_c{concurrency}"
            cells[name] = cell.figures(stream=mode == "stream")
            sent += sum(len(load.samples) for load in cell.through)
            errors += cell.errors
            _say(name, cells[name])
    recorded = await _recorded(place, run, sent) if place.sql_url else None
    ok = errors == 0 and recorded in (None, sent)
    return {
        "benchmark": "serving",
        "cpus": os.cpu_count(),
        "calls": sent,
        "errors": errors,
        "recorded": recorded,
        "cells": cells,
        "ok": ok,
    }


async def _cell(
    upstream: str,
    place: Place,
    run: str,
    mode: str,
    concurrency: int,
    seconds: float,
    repeats: int,
) -> Cell:
    cell = Cell([], [])
    straight_url = f"{upstream}/v1/chat/completions"
    through_url = f"{place.url}/v1/chat/completions"
    straight = a_request(straight_url, _body("gpt-4o-mini", mode, usage=True), ())
    headers = [f"authorization: Bearer {place.key}", f"x-leeway-tags: run={run}"]
    through = a_request(through_url, _body(place.model, mode, usage=False), headers)
    for _ in range(repeats):
        cell.straight.append(
            await run_load(straight_url, straight, ENDS[mode], concurrency, seconds)
        )
        before = place.edge_cpu_seconds()
        cell.through.append(await run_load(through_url, through, ENDS[mode], concurrency, seconds))
        cell.edge_cpu_seconds += place.edge_cpu_seconds() - before
    return cell


def _body(model: str, mode: str, *, usage: bool) -> bytes:
    """A support question. The upstream does the same work both ways: it tells a stream's usage in both."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful support agent."},
            {"role": "user", "content": QUESTION},
        ],
        "temperature": 0.2,
    }
    if mode == "stream":
        body["stream"] = True
        if usage:
            body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


async def _recorded(place: Place, run: str, expected: int) -> int:
    """How many of the run's calls SQL finds; it waits until all are there, or none has come for a while."""
    query = "SELECT count() FROM leeway.interactions_v1 WHERE tags['run'] = {run:String}"
    headers = {"x-clickhouse-user": place.sql_user, "x-clickhouse-key": place.sql_password}
    found, patience = -1, 20
    async with aiohttp.ClientSession(headers=headers) as session:
        while found < expected and patience:
            async with session.post(place.sql_url, data=query, params={"param_run": run}) as reply:
                text = await reply.text()
            count = int(text) if reply.status == 200 else found
            patience = 20 if count > found else patience - 1
            found = count
            await asyncio.sleep(0.25)
    return found


def _median(loads: list[Load], name: str) -> float:
    return statistics.median(float(getattr(load, name)) for load in loads)


def _latency(loads: list[Load], share: float, *, first_byte: bool = False) -> float:
    return statistics.median(load.percentile_ms(share, first_byte=first_byte) for load in loads)


def _say(name: str, figures: Mapping[str, float]) -> None:
    print(f"{name:>14}  " + "  ".join(f"{key} {value:g}" for key, value in figures.items()))


@contextmanager
def _upstream() -> Iterator[str]:
    """The stub upstream in a process of its own; its URL."""
    command = [sys.executable, "-m", "tests.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _installation(upstream: str) -> Iterator[Place]:
    """A whole Leeway in processes and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config, ready = Path(folder) / "leeway.yaml", Path(folder) / "ready.json"
        config.write_text(CONFIG.format(upstream=upstream))
        env = {
            **os.environ,
            "LEEWAY_DATA": f"{folder}/data",
            "LEEWAY_CONFIG": str(config),
            "LEEWAY_PORT": "0",
            "LEEWAY_SQL_PORT": "0",
            "LEEWAY_OTLP_PORT": "0",
        }
        command = [sys.executable, "-m", "services.cli", "up", "--ready-file", str(ready)]
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
            try:
                yield _await_ready(process, ready)
            finally:
                process.terminate()
                process.wait(60)


def _await_ready(process: "subprocess.Popen[bytes]", ready: Path) -> Place:
    while not ready.exists():
        if process.poll() is not None:
            raise SystemExit(f"Leeway did not start: exit code {process.returncode}.")
        time.sleep(0.05)
    told = json.loads(ready.read_text())
    edges = tuple(pid for name, pid in told["pids"].items() if name.startswith("edge"))
    return Place(
        url=told["url"],
        key=told["api_key"],
        model="bench",
        sql_url=told["sql_url"],
        sql_user=told["sql_user"],
        sql_password=told["sql_password"],
        edge_pids=edges,
    )


if __name__ == "__main__":
    main()
