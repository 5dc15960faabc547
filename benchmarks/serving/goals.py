"""What the figures should come to, each told with its value and whether it is met."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.serving.measuring import Figures

TIMES_LITELLM = 10.0
TIMES_PORTKEY = 1.5
SHARE_OF_FORWARDER = 0.5
ADDED_P50_MS = 1.0

Cells = Mapping[str, Mapping[str, Figures]]


@dataclass(frozen=True, slots=True)
class Goal:
    """One of them: the worst value over the cells it is about, and the bound that it must keep."""

    name: str
    value: float
    bound: float
    ok: bool

    def told(self) -> dict[str, object]:
        return {
            "goal": self.name,
            "value": round(self.value, 3),
            "bound": self.bound,
            "ok": self.ok,
        }


def goals(cells: Cells) -> list[Goal]:
    """The goals that can be judged by the ways that were measured."""
    ways = next(iter(cells.values()))
    ours = [name for name in ways if name.startswith("leeway")]
    return [*_throughput(cells, ours), *_latency(cells, ours)]


def _throughput(cells: Cells, ours: list[str]) -> Iterator[Goal]:
    """RPS against the others' on the same cores, in the cell in which it is worst."""
    others = {
        "forwarder": SHARE_OF_FORWARDER,
        "portkey": TIMES_PORTKEY,
        "litellm_1": TIMES_LITELLM,
        "litellm_2": TIMES_LITELLM,
    }
    for way in ours:
        for other, bound in others.items():
            ratios = [
                cell[way]["rps"] / cell[other]["rps"] for cell in cells.values() if other in cell
            ]
            if ratios:
                worst = min(ratios)
                yield Goal(f"rps_{way}_over_{other}", worst, bound, worst >= bound)


def _latency(cells: Cells, ours: list[str]) -> Iterator[Goal]:
    for way in ours:
        for mode in ("complete", "stream"):
            one, many = cells[f"{mode}_c1"], cells[f"{mode}_c16"]
            added = one[way]["p50_ms_added"]
            yield Goal(f"p50_added_{way}_{mode}_c1", added, ADDED_P50_MS, added <= ADDED_P50_MS)
            if "portkey" in one:
                bound = one["portkey"]["p50_ms_added"]
                yield Goal(f"p50_added_{way}_{mode}_c1_under_portkey", added, bound, added < bound)
            for other in ("portkey", "litellm_1", "litellm_2"):
                if other in many:
                    p99, bound = many[way]["p99_ms"], many[other]["p99_ms"]
                    yield Goal(f"p99_{way}_{mode}_c16_under_{other}", p99, bound, p99 < bound)
