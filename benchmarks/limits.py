"""What limits cost a call, in microseconds: without any, on one machine alone and beside another worker, and on Valkey.

    python -m benchmarks.limits [--calls 20000]

A call is admitted and settled under three limits (requests and tokens per minute and calls at once, of a key) or six (of
its tenant, too). "beside" is the same while another process draws on the same meters as fast as it can. `cpu` is the mean
of this process's own time; the others are by the clock, and tell what else the machine did.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import quantiles

import uvloop

from services.serving.domain.body import parse_body
from services.serving.domain.gate import End, Entry
from services.serving.domain.request import chat_request
from services.serving.limits.check import LimitsHeld
from services.serving.limits.limiter import Limiter
from services.serving.state.local import LocalState
from services.serving.state.opening import OpenState
from services.serving.state.valkey import ValkeyState
from shared.clock import SystemClock
from shared.interactions import Context
from shared.live import Key, LiveView
from shared.policy import NO_POLICY, Limits, Policy
from tests.builders import a_caller, an_interaction
from tests.valkey import a_valkey

MANY = 100_000_000
LIMITED = Policy(
    limits=Limits(requests_per_minute=MANY, tokens_per_minute=MANY, concurrent=1_000_000)
)
BODY = (
    b'{"model":"gpt","messages":[{"role":"user","content":"What is two and two?"}],"max_tokens":64}'
)
CLOCK = SystemClock()


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    calls = parser.parse_args().calls
    figures = uvloop.run(_measured(calls))
    sys.stdout.write(f"{json.dumps({'benchmark': 'limits', 'calls': calls, **figures})}\n")


async def _measured(calls: int) -> dict[str, dict[str, float]]:
    figures = {}
    with tempfile.TemporaryDirectory(prefix="leeway-") as name:
        folder = Path(name)
        async with LocalState(folder, CLOCK) as state:
            figures["no limits"] = await _costs(state, calls)
            figures["three limits"] = await _costs(state, calls, key=LIMITED)
            figures["six limits"] = await _costs(state, calls, key=LIMITED, tenant=LIMITED)
            async with _another(folder):
                beside = await _costs(state, calls, key=LIMITED, tenant=LIMITED)
                figures["six limits, beside"] = beside
        async with (
            a_valkey(folder) as server,
            ValkeyState(server.url, CLOCK, timeout_seconds=5) as state,
        ):
            few = calls // 10
            figures["six limits, valkey"] = await _costs(state, few, key=LIMITED, tenant=LIMITED)
    return figures


async def _costs(
    state: OpenState, calls: int, *, key: Policy = NO_POLICY, tenant: Policy = NO_POLICY
) -> dict[str, float]:
    """Microseconds from the gate to the end of a call, the call itself left out."""
    caller = a_caller()
    live = LiveView(b"")
    live.tenant_policies[caller.tenant] = tenant
    live.keys[caller.key_id] = Key(
        caller.key_id, caller.tenant, "default", "production", frozenset(), "", policy=key
    )
    entry = Entry("id", caller, chat_request(parse_body(BODY)), Context())
    end = End(an_interaction())
    async with Limiter(state, CLOCK) as limiter:
        check = LimitsHeld(live, limiter)
        took = []
        cpu = time.process_time()
        for _ in range(calls):
            began = time.perf_counter_ns()
            admitted = await check.admit(entry)
            for hold in admitted.holds:
                await hold.settle(end)
            took.append((time.perf_counter_ns() - began) / 1_000)
        cpu = time.process_time() - cpu
    return {**_summary(took), "cpu": round(cpu * 1_000_000 / calls, 1)}


def _summary(took: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(took, n=100)
    return {
        "mean": round(sum(took) / len(took), 1),
        "p50": round(cuts[49], 1),
        "p99": round(cuts[98], 1),
    }


@asynccontextmanager
async def _another(folder: Path) -> AsyncIterator[None]:
    """Another worker that draws on the same meters until the block ends."""
    context = multiprocessing.get_context("spawn")
    began, stop = context.Event(), context.Event()
    process = context.Process(target=_draw, args=(folder, began, stop))
    process.start()
    await asyncio.to_thread(began.wait)
    try:
        yield
    finally:
        stop.set()
        process.join()


def _draw(folder: Path, began: Event, stop: Event) -> None:
    asyncio.run(_drawing(folder, began, stop))


async def _drawing(folder: Path, began: Event, stop: Event) -> None:
    async with LocalState(folder, CLOCK) as state:
        began.set()
        while not stop.is_set():
            await _costs(state, 1_000, key=LIMITED, tenant=LIMITED)


if __name__ == "__main__":
    main()
