"""From accepted to queryable: how old a fact is when SQL first finds it, with every service running.

    python -m benchmarks.freshness [--cluster] [--seconds 15]

`leeway up` (with `--cluster`: Kafka, PostgreSQL and a process for each service) is sent interactions at a
pace, over HTTP, by one caller for each of some tenants. How many of each tenant's there are is asked in SQL
every 25 ms: one tenant's facts are stored in their order, so the n-th is queryable when the count reaches n.
Its age is taken from the moment at which its request was *sent*: the figures are upper bounds, by the request
and the interval of asking. Goals: nothing is refused, everything is found, and p99 is under one second at each
pace. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.facts import ANSWER, QUESTION
from benchmarks.processes import cpu_seconds
from shared.clickhouse import ClickHouse
from shared.lifecycle import ClickHouseAddress
from shared.secrets_folder import SecretsFolder
from tests.stack import Stack, a_stack

PACES = (100, 1_000)  # facts a second
P99_SECONDS = 1.0
TENANTS = [f"tenant-{n}" for n in range(5)]
REQUESTS_PER_SECOND = 4  # of each tenant
WARM_UP_SECONDS = 3.0
LOOK_SECONDS = 0.025
PATIENCE_SECONDS = 60
KEY = "bench"
COUNTS = "SELECT tenant, count() AS n FROM leeway.interactions GROUP BY tenant"


@dataclass(slots=True)
class Run:
    """Facts on their way: when those of each tenant were sent, and the ages of those that were found."""

    sent: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TENANTS})
    found: Counter[str] = field(default_factory=Counter)
    ages: list[float] = field(default_factory=list)
    refused: int = 0
    ended: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing more comes, and all that was sent is found."""
        return self.ended and len(self.ages) == sum(map(len, self.sent.values()))

    def find(self, counts: Mapping[str, int], now: float) -> None:
        """Take note of what is there now."""
        for tenant, sent in self.sent.items():
            self.ages += [now - at for at in sent[self.found[tenant] : counts.get(tenant, 0)]]
            self.found[tenant] = counts.get(tenant, 0)

    def figures(self, seconds: float) -> dict[str, float]:
        ages = sorted(self.ages)
        at = {"p50": 0.5, "p99": 0.99}
        percentiles = {
            f"{name}_seconds": round(ages[int(share * len(ages))], 3) for name, share in at.items()
        }
        return {
            "facts": len(ages),
            "facts_per_second": round(len(ages) / seconds),
            "refused": self.refused,
            **percentiles,
            "max_seconds": round(ages[-1], 3),
        }


@dataclass(frozen=True, slots=True)
class Place:
    """The installation: where facts are sent, by which key of each tenant, and where they are found."""

    url: str
    keys: Mapping[str, str]
    http: aiohttp.ClientSession
    clickhouse: ClickHouse

    async def counts(self) -> Counter[str]:
        return Counter(
            {row["tenant"]: int(row["n"]) for row in await self.clickhouse.query(COUNTS)}
        )

    async def send(self, tenant: str, items: Sequence[object]) -> bool:
        """Whether all of the items were accepted."""
        headers = {"Authorization": f"Bearer {self.keys[tenant]}"}
        body = {"interactions": items}
        async with self.http.post(
            f"{self.url}/v1/interactions", json=body, headers=headers
        ) as sent:
            return sent.status == 200 and (await sent.json())["accepted"] == len(items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cluster", action="store_true", help="start a cluster, with Kafka")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each pace")
    options = parser.parse_args()
    result = uvloop.run(_measure(options.seconds, cluster=options.cluster))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


async def _measure(seconds: float, *, cluster: bool) -> dict[str, object]:
    words = ["--cluster"] if cluster else []
    paces: dict[int, dict[str, float]] = {}
    cpu: dict[int, dict[str, float]] = {}
    with a_folder() as folder:
        async with a_stack(folder, *words, LEEWAY_CONFIG=str(a_config(folder))) as stack:
            await _run(stack, PACES[0], WARM_UP_SECONDS)
            for pace in PACES:
                before = _cpu(stack)
                paces[pace] = await _run(stack, pace, seconds)
                cpu[pace] = {name: round(v - before[name], 1) for name, v in _cpu(stack).items()}
                print(f"{pace:>6}  {paces[pace]}  CPU seconds {cpu[pace]}", flush=True)
    return {
        "benchmark": "freshness",
        "mode": "cluster" if cluster else "embedded",
        "cpus": os.cpu_count(),
        "paces": paces,
        "cpu_seconds": cpu,
        "goal": {"p99_seconds": P99_SECONDS},
        "ok": all(p["p99_seconds"] < P99_SECONDS and not p["refused"] for p in paces.values()),
    }


async def _run(stack: Stack, pace: int, seconds: float) -> dict[str, float]:
    """Send at a pace for a time, and look until the last fact is found."""
    secrets = SecretsFolder(stack.folder / "data")
    keys = {tenant: secrets.credentials().keys[f"{tenant}/{KEY}"] for tenant in TENANTS}
    run, start = Run(), time.perf_counter()
    async with ClickHouse(operator_of(stack)) as clickhouse, aiohttp.ClientSession() as http:
        place = Place(stack.ready["url"], keys, http, clickhouse)
        looking = asyncio.create_task(_look(place, run, await place.counts()))
        await asyncio.gather(*(_call(place, run, name, pace, seconds) for name in TENANTS))
        took, run.ended = time.perf_counter() - start, True
        await asyncio.wait_for(looking, PATIENCE_SECONDS)
    return run.figures(took)


async def _call(place: Place, run: Run, tenant: str, pace: int, seconds: float) -> None:
    """One tenant's caller: as many requests a second as it is to make, each of the same size."""
    start = time.perf_counter() + TENANTS.index(tenant) / REQUESTS_PER_SECOND / len(TENANTS)
    items = [_item()] * (pace // len(TENANTS) // REQUESTS_PER_SECOND)
    for number in range(int(seconds * REQUESTS_PER_SECOND)):
        due = start + number / REQUESTS_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        run.sent[tenant] += [time.perf_counter()] * len(items)
        if not await place.send(tenant, items):
            del run.sent[tenant][-len(items) :]
            run.refused += len(items)


async def _look(place: Place, run: Run, before: Counter[str]) -> None:
    while not run.whole:
        counts = await place.counts()
        run.find(
            {tenant: counts[tenant] - before[tenant] for tenant in TENANTS}, time.perf_counter()
        )
        await asyncio.sleep(LOOK_SECONDS)


def _item() -> dict[str, object]:
    return {
        "model": "bench",
        "session_id": "session-7",
        "input": [{"role": "user", "content": QUESTION}],
        "output": ANSWER,
        "usage": {"prompt_tokens": 61, "completion_tokens": 58, "total_tokens": 119},
        "tags": {"team": "support"},
    }


def a_config(folder: Path) -> Path:
    """An installation whose tenants may send interactions."""
    lines = [
        f"  - {{tenant: {name}, keys: [{{name: {KEY}, scopes: [ingest]}}]}}\n" for name in TENANTS
    ]
    path = folder / "leeway.yaml"
    path.write_text("".join(["tenants:\n", *lines]))
    return path


def _cpu(stack: Stack) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in stack.ready["pids"].items()}


def operator_of(stack: Stack) -> ClickHouseAddress:
    """Where SQL is asked, as the user who sees every tenant."""
    secrets = SecretsFolder(stack.folder / "data")
    user, password = secrets.operator_user, secrets.operator_password()
    return ClickHouseAddress(stack.ready["sql_url"], user, password)


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder that the cluster's PostgreSQL may enter too, which root runs as another user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


if __name__ == "__main__":
    main()
