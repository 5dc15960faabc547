"""What is replayed: calls at their times, with the tokens that they must be found with."""

import csv
import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

INPUT_USD, OUTPUT_USD = Decimal("0.15"), Decimal("0.60")  # the demo model's price a million tokens


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when, in seconds from the start, and how many tokens."""

    after: float
    input_tokens: int
    output_tokens: int

    @property
    def cost(self) -> Decimal:
        return (self.input_tokens * INPUT_USD + self.output_tokens * OUTPUT_USD) / 1_000_000


def trace(path: Path, speedup: float, limit: int | None) -> list[Call]:
    """The calls of a trace (columns TIMESTAMP, ContextTokens, GeneratedTokens), faster by `speedup`."""
    with path.open() as lines:
        rows = list(csv.DictReader(lines))[:limit]
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    return [
        Call((at - times[0]) / speedup, int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for at, row in zip(times, rows, strict=True)
    ]


def synthetic(count: int, seconds: float, seed: int) -> list[Call]:
    """Calls at uniformly random moments of some seconds, with random token counts."""
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0, seconds) for _ in range(count))
    return [Call(at, rng.randint(1, 4_000), rng.randint(1, 1_000)) for at in moments]
