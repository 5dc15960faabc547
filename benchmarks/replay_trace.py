"""Claim: a replay of a real hour of calls is stored exactly once, with its token counts and its exact cost.

Data: the Azure LLM inference trace 2023 (TIMESTAMP, ContextTokens, GeneratedTokens; CC-BY 4.0).
"""

import argparse
import asyncio
import csv
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.stack import a_stack

INPUT_USD, OUTPUT_USD = Decimal("0.15"), Decimal("0.60")  # the demo model's price a million tokens
CONCURRENCY = 256


@dataclass(frozen=True)
class Call:
    """One call of the trace: when, in seconds from its start, and how many tokens."""

    after: float
    input_tokens: int
    output_tokens: int

    @property
    def cost(self) -> Decimal:
        return (self.input_tokens * INPUT_USD + self.output_tokens * OUTPUT_USD) / 1_000_000


def trace(path: Path, speedup: float, limit: int | None) -> list[Call]:
    with path.open() as lines:
        rows = list(csv.DictReader(lines))[:limit]
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    return [
        Call((at - times[0]) / speedup, int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for at, row in zip(times, rows, strict=True)
    ]


async def replay(calls: Sequence[Call], url: str, key: str, run: str) -> dict[str, Call]:
    """Send every call at its time; the accepted ones by interaction id."""
    accepted: dict[str, Call] = {}
    gate = asyncio.Semaphore(CONCURRENCY)
    start = time.monotonic()
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:

        async def send(call: Call) -> None:
            await asyncio.sleep(max(0.0, start + call.after - time.monotonic()))
            body = {
                "model": "demo",
                "messages": [{"role": "user", "content": "Replayed."}],
                "metadata": {
                    "replay": run,
                    "leeway_demo_input_tokens": str(call.input_tokens),
                    "leeway_demo_output_tokens": str(call.output_tokens),
                },
            }
            async with gate, session.post(f"{url}/v1/chat/completions", json=body) as reply:
                await reply.read()
                if reply.status == 200:
                    accepted[reply.headers["x-leeway-interaction-id"]] = call

        await asyncio.gather(*(send(call) for call in calls))
    return accepted


async def stored(ready: dict[str, Any], run: str, count: int) -> list[dict[str, Any]]:
    """The rows of this run, once there are as many as were accepted and all are rated."""
    sql = (
        "SELECT interaction_id, input_tokens, output_tokens, toString(cost_usd) AS cost "
        "FROM leeway.calls_v1 WHERE tags['replay'] = {run:String} FORMAT JSON"
    )
    user = {"X-ClickHouse-User": ready["sql_user"], "X-ClickHouse-Key": ready["sql_password"]}
    rows: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(headers=user) as session:
        for _ in range(60):
            async with session.post(ready["sql_url"], params={"param_run": run}, data=sql) as reply:
                rows = json.loads(await reply.text())["data"]
            if len(rows) >= count and all(row["cost"] for row in rows):
                break
            await asyncio.sleep(0.5)
    return rows


async def measure(options: argparse.Namespace) -> dict[str, object]:
    calls = trace(options.data, options.speedup, options.limit)
    async with AsyncExitStack() as stack:
        if options.url:
            ready = {"url": options.url, "api_key": options.key, "sql_url": options.sql}
            ready |= {"sql_user": options.sql_user, "sql_password": options.sql_password}
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ready = (await stack.enter_async_context(a_stack(folder))).ready
        run = str(time.time_ns())
        start = time.monotonic()
        accepted = await replay(calls, ready["url"], ready["api_key"], run)
        seconds = time.monotonic() - start
        rows = await stored(ready, run, len(accepted))
    found = {row["interaction_id"]: row for row in rows}
    wrong = [
        name
        for name, call in accepted.items()
        if name not in found
        or int(found[name]["input_tokens"]) != call.input_tokens
        or int(found[name]["output_tokens"]) != call.output_tokens
    ]
    cost = sum((Decimal(row["cost"]) for row in rows if row["cost"]), Decimal(0))
    expected = sum((call.cost for call in calls), Decimal(0))
    once = len(rows) == len(found) == len(accepted) == len(calls)
    return {
        "calls": len(calls),
        "accepted": len(accepted),
        "stored": len(rows),
        "wrong": len(wrong),
        "cost_usd": str(cost.normalize()),
        "expected_cost_usd": str(expected.normalize()),
        "calls_per_second": round(len(calls) / seconds, 1),
        "ok": once and not wrong and cost == expected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the trace's CSV file")
    parser.add_argument("--speedup", type=float, default=10.0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--url", help="a running installation's API; else one is started")
    parser.add_argument("--key")
    parser.add_argument("--sql", help="its SQL endpoint")
    parser.add_argument("--sql-user", default="default")
    parser.add_argument("--sql-password", default="")
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
