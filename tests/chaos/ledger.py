"""The client's own list of what was accepted, held against what the store has."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.clickhouse import ClickHouse
from shared.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many were accepted, how many of those are stored, and how many are missing or there twice."""

    accepted: int
    stored: int
    lost: int
    duplicated: int


@dataclass(slots=True)
class Ledger:
    """Every id whose acceptance the client has seen, written down as the answer came."""

    accepted: set[str] = field(default_factory=set)

    def accept(self, ids: Iterable[str]) -> None:
        """Write down what was answered with yes."""
        self.accepted.update(ids)

    def judge(self, copies: Mapping[str, int]) -> Verdict:
        """What became of it: `copies` says how often the raw table has each id."""
        stored = sum(1 for name in self.accepted if copies.get(name, 0) > 0)
        return Verdict(
            accepted=len(self.accepted),
            stored=stored,
            lost=len(self.accepted) - stored,
            duplicated=sum(1 for count in copies.values() if count > 1),
        )


async def copies(
    client: ClickHouse, table: str = "interactions", column: str = "interaction_id"
) -> Counter[str]:
    """How often each id is in a raw table, where nothing hides a second copy."""
    rows = await client.query(
        f"SELECT {column} AS id, count() AS n FROM leeway.{table} GROUP BY id"
    )
    return Counter({str(row["id"]): int(row["n"]) for row in rows})


async def stored(
    client: ClickHouse,
    n: int,
    *,
    seconds: float = 120,
    table: str = "interactions",
    column: str = "interaction_id",
) -> None:
    """Wait until a raw table has `n` different ids, however often the store is away.

    Raises `AssertionError` with what is there when they do not come.
    """
    start, found = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        try:
            [row] = await client.query(f"SELECT uniqExact({column}) AS n FROM leeway.{table}")
            found = int(row["n"])
        except (Unavailable, Invalid):
            pass  # away, or not migrated yet
        if found >= n:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found} of {n} are stored after {seconds:.0f} s.")
