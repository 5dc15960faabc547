"""Every way in turn, again and again, so that all meet the same noise; and what they come to."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from benchmarks.load import Load, a_request, run_load
from benchmarks.serving.ways import ENDS, Cost, Sql, Way

CONCURRENCIES = (1, 16, 64)
STRAIGHT = "straight"

Figures = dict[str, float]


@dataclass(slots=True)
class Runs:
    """The runs over one way in one mode at one concurrency."""

    loads: list[Load] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)

    @property
    def answered(self) -> int:
        return sum(len(load.samples) for load in self.loads)

    def median(self, share: float, *, first_byte: bool = False) -> float:
        """A latency in ms: the median over the repeats."""
        return statistics.median(
            load.percentile_ms(share, first_byte=first_byte) for load in self.loads
        )

    def figures(self, straight: "Runs", *, stream: bool) -> Figures:
        """What the way did; what it added is its latency less that of the upstream alone."""
        figures: Figures = {
            "rps": statistics.median(load.rps for load in self.loads),
            "errors": sum(load.errors for load in self.loads),
        }
        for name, share in (("p50", 0.50), ("p99", 0.99)):
            figures[f"{name}_ms"] = self.median(share)
            figures[f"{name}_ms_added"] = self.median(share) - straight.median(share)
        if stream:
            first = self.median(0.5, first_byte=True)
            figures["first_byte_p50_ms_added"] = first - straight.median(0.5, first_byte=True)
        if self.cost.all:
            figures["cpu_ms"] = 1000 * self.cost.answering / self.answered
            figures["cpu_ms_all"] = 1000 * self.cost.all / self.answered
        return {name: round(value, 3) for name, value in figures.items()}


@dataclass(slots=True)
class Measured:
    """The figures by cell (`stream_c16`) and way, and how many calls each way took in all."""

    cells: dict[str, dict[str, Figures]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)


async def measure(ways: Sequence[Way], run: str, seconds: float, repeats: int) -> Measured:
    """Measure every way in each mode at each concurrency; one way is `STRAIGHT`."""
    measured = Measured(sent=dict.fromkeys((way.name for way in ways), 0))
    for mode in ENDS:
        for concurrency in CONCURRENCIES:
            runs = await _cell(ways, run, mode, concurrency, seconds, repeats)
            name = f"{mode}_c{concurrency}"
            straight = runs[STRAIGHT]
            measured.cells[name] = {
                way: of.figures(straight, stream=mode == "stream") for way, of in runs.items()
            }
            for way, of in runs.items():
                measured.sent[way] += of.answered
                _say(name, way, measured.cells[name][way])
    return measured


async def _cell(
    ways: Sequence[Way], run: str, mode: str, concurrency: int, seconds: float, repeats: int
) -> dict[str, Runs]:
    runs = {way.name: Runs() for way in ways}
    for _ in range(repeats):
        for way in ways:
            of, before = runs[way.name], way.cpu_seconds()
            headers = [*way.headers, f"x-leeway-tags: run={run}"]
            request = a_request(way.chat_url, way.body(mode), headers)
            of.loads.append(await run_load(way.chat_url, request, ENDS[mode], concurrency, seconds))
            of.cost.add(before, way.cpu_seconds())
    return runs


async def recorded(sql: Sql, run: str, expected: int) -> int:
    """How many of the run's calls SQL finds; it waits until all are there, or none has come for a while."""
    query = "SELECT count() FROM leeway.interactions_v1 WHERE tags['run'] = {run:String}"
    headers = {"x-clickhouse-user": sql.user, "x-clickhouse-key": sql.password}
    found, patience = -1, 20
    async with aiohttp.ClientSession(headers=headers) as session:
        while found < expected and patience:
            async with session.post(sql.url, data=query, params={"param_run": run}) as reply:
                text = await reply.text()
            count = int(text) if reply.status == 200 else found
            patience = 20 if count > found else patience - 1
            found = count
            await asyncio.sleep(0.25)
    return found


def _say(cell: str, way: str, figures: Figures) -> None:
    told = "  ".join(f"{key} {value:g}" for key, value in figures.items())
    print(f"{cell:>13} {way:>10}  {told}", flush=True)
