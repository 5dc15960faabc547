"""Claim: a Kafka broker that is away for minutes costs no call, no memory and no order.

    python -m benchmarks.broker_away [--seconds 300] [--rate 300]

`leeway up --cluster` is called at a rate, each call at its time whatever became of the others. The broker is
killed (`kill -9`), stays away, and is started again by its own command line; calls come before, meanwhile and
for a while after. A latency lasts from the time at which its call was due. Then everything that was answered
200 must be stored once, with its usage, and each lane (producer, epoch, topic, partition) must stand in Kafka
without a gap and in order. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.freshness import a_folder, operator_of
from benchmarks.load import Connection, a_request
from benchmarks.replay.kills import BROKER, Revived
from services.local.broker import ADDRESS
from shared.clickhouse import ClickHouse
from shared.log.kafka.cluster import Cluster
from shared.log.record import Record
from shared.topics import INTERACTION_COMPLETED
from tests.kafka import messages
from tests.stack import Stack, a_stack

MB = 1024 * 1024
BEFORE, AWAY, AFTER = "before", "away", "after"
AROUND_SECONDS = 15.0  # of calls before it goes, and after it has been started again
CONNECTIONS = 64
LOOK_SECONDS, PATIENCE_SECONDS = 1.0, 900.0
MOST_GROWTH_MB = 128  # of an edge while its broker is away

_STORED = (
    "SELECT uniqExact(interaction_id) AS n FROM leeway.interactions"
    " WHERE toUInt64OrZero(input_text) BETWEEN 1 AND {last:UInt64}"
)
_RATED = (
    "SELECT uniqExact(interaction_id) AS n, count() AS rows FROM leeway.usage WHERE interaction_id IN"
    " (SELECT interaction_id FROM leeway.interactions WHERE toUInt64OrZero(input_text) > 0)"
)
_COPIES = (
    "SELECT toUInt64OrZero(input_text) AS number, count() AS n FROM leeway.interactions"
    " WHERE number > 0 GROUP BY number"
)


@dataclass(slots=True)
class Called:
    """What the caller knows: which calls were accepted, what the others were answered (0: nothing), and how soon."""

    phase: str = BEFORE
    accepted: set[int] = field(default_factory=set)
    others: Counter[int] = field(default_factory=Counter)
    latencies: dict[str, list[float]] = field(
        default_factory=lambda: {phase: [] for phase in (BEFORE, AWAY, AFTER)}
    )

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """The median and the 99th percentile of each phase."""
        return {
            phase: {f"p{p}": round(1000 * sorted(each)[len(each) * p // 100], 1) for p in (50, 99)}
            for phase, each in self.latencies.items()
        }


class Callers:
    """Numbered calls at a rate, over some connections; the number is the question."""

    def __init__(self, stack: Stack, rate: float, called: Called) -> None:
        self._url = f"{stack.ready['url']}/v1/chat/completions"
        self._key = f"x-api-key: {stack.ready['api_key']}"
        self._rate = rate
        self._called = called
        self._numbers = count(1)

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call until the block ends; the last are answered before it is left."""
        end, start = asyncio.Event(), time.perf_counter()
        tasks = [asyncio.create_task(self._call(start, end)) for _ in range(CONNECTIONS)]
        yield
        end.set()
        await asyncio.gather(*tasks)

    async def _call(self, start: float, end: asyncio.Event) -> None:
        connection = await self._connected()
        while not end.is_set():
            number = next(self._numbers)
            due = start + number / self._rate
            await asyncio.sleep(due - time.perf_counter())
            phase = self._called.phase
            try:
                sample = await connection.ask(self._request(number))
            except (OSError, TimeoutError):
                self._called.others[0] += 1
                connection = await self._connected()
                continue
            self._called.latencies[phase].append(time.perf_counter() - due)
            if sample.whole:
                self._called.accepted.add(number)
            else:
                self._called.others[sample.status] += 1
        connection.close()

    async def _connected(self) -> Connection:
        at = urlsplit(self._url)
        loop = asyncio.get_running_loop()
        host, port = at.hostname or "", at.port or 80
        _, connection = await loop.create_connection(lambda: Connection(b"}"), host, port)
        return connection

    def _request(self, number: int) -> bytes:
        body = {"model": "demo", "messages": [{"role": "user", "content": str(number)}]}
        return a_request(self._url, json.dumps(body).encode(), [self._key])


@dataclass(slots=True)
class Watched:
    """An edge from outside: its memory before the fault and at its most, its outbox at its largest, in bytes."""

    pid: int
    outbox: Path
    memory_before: int = 0
    memory: int = 0
    outbox_bytes: int = 0

    def look(self) -> None:
        """Take its measure."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        self.memory = max(self.memory, pages * os.sysconf("SC_PAGE_SIZE"))
        sizes = [path.stat().st_size for path in self.outbox.glob("*.db*")]
        self.outbox_bytes = max(self.outbox_bytes, sum(sizes))

    async def look_on(self, seconds: float) -> None:
        """Take it all the while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True)
class Lanes:
    """What a reader sees of the order: numbers that it had seen, which it drops, and numbers that are not the next."""

    last: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    gaps: int = 0

    def read(self, record: Record) -> None:
        """Take the next record of a partition."""
        seen = self.last[record.lane]
        self.repeats += record.seq <= seen
        self.gaps += record.seq > seen + 1
        self.last[record.lane] = max(seen, record.seq)


async def _measure(seconds: float, rate: float) -> dict[str, object]:
    with a_folder() as folder, ExitStack() as last:
        async with a_stack(folder, "--cluster") as stack:
            victim = Revived(stack.ready["pids"][BROKER])
            last.callback(victim.end)  # the processes drain into it
            edge = Watched(stack.ready["pids"]["edge"], folder / "data" / "processes/edge/log")
            called = Called()
            async with ClickHouse(operator_of(stack)) as store:
                drained = await _away(stack, victim, edge, called, store, seconds, rate)
                return await _figures(stack, edge, called, store) | {
                    "seconds_away": seconds,
                    "rate": rate,
                    "drained_seconds": round(drained, 1),
                }


async def _away(
    stack: Stack,
    victim: Revived,
    edge: Watched,
    called: Called,
    store: ClickHouse,
    seconds: float,
    rate: float,
) -> float:
    """Let it happen; the seconds from the broker's new start until all that was accepted before it is stored."""
    async with Callers(stack, rate, called).calling():
        await edge.look_on(AROUND_SECONDS)
        edge.memory_before = edge.memory
        victim.kill()
        called.phase = AWAY
        await edge.look_on(seconds)
        victim.start()
        back, waiting = time.monotonic(), set(called.accepted)
        called.phase = AFTER
        draining = asyncio.create_task(_stored(store, len(waiting), max(waiting)))
        await edge.look_on(AROUND_SECONDS)
    await draining
    return time.monotonic() - back


async def _stored(store: ClickHouse, n: int, last: int) -> None:
    """Return when so many of the calls up to a number are stored. Raises `TimeoutError`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while int((await store.query(_STORED, {"last": last}))[0]["n"]) < n:  # noqa: ASYNC110 (it is elsewhere)
            await asyncio.sleep(LOOK_SECONDS)


async def _rated(store: ClickHouse, n: int) -> Mapping[str, int]:
    """The usage of all of them, once it is there. Raises `TimeoutError`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while int((found := (await store.query(_RATED))[0])["n"]) < n:  # noqa: ASYNC110 (the same)
            await asyncio.sleep(LOOK_SECONDS)
    return {name: int(value) for name, value in found.items()}


async def _figures(
    stack: Stack, edge: Watched, called: Called, store: ClickHouse
) -> dict[str, object]:
    await _stored(store, len(called.accepted), max(called.accepted))
    rated = await _rated(store, len(called.accepted))
    copies = {int(row["number"]): int(row["n"]) for row in await store.query(_COPIES)}
    address = (stack.folder / "data" / "kafka" / ADDRESS).read_text()
    lanes = Lanes()
    for record in await messages(Cluster(address), INTERACTION_COMPLETED):
        lanes.read(record)
    refused = called.others[503]
    found = {
        "refused": refused,
        "failed": called.others.total() - refused,
        "lost": len(called.accepted - set(copies)),
        "duplicated": sum(n > 1 for n in copies.values()),
        "usage_duplicated": rated["rows"] - rated["n"],
        "out_of_order": lanes.gaps,
    }
    growth = (edge.memory - edge.memory_before) // MB
    return {
        "benchmark": "broker_away",
        "cpus": os.cpu_count(),
        "calls": len(called.accepted) + called.others.total(),
        "accepted": len(called.accepted),
        **found,
        "lanes": len(lanes.last),
        "sent_again": lanes.repeats,
        "milliseconds": called.milliseconds(),
        "edge_mb": {"before": edge.memory_before // MB, "most": edge.memory // MB},
        "outbox_mb": edge.outbox_bytes // MB,
        "goal": {"growth_mb": MOST_GROWTH_MB, "all others": 0},
        "ok": not any(found.values()) and growth <= MOST_GROWTH_MB,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=300.0, help="for the broker to be away")
    parser.add_argument("--rate", type=float, default=300.0, help="calls a second")
    options = parser.parse_args()
    result = uvloop.run(_measure(options.seconds, options.rate))
    print(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
