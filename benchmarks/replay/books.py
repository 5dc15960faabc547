"""The check: what the client holds as accepted, against the view, the raw tables and the log's own books."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp

from benchmarks.replay.calls import Call

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5

_VIEW = """
SELECT interaction_id, status, input_tokens, output_tokens, toString(cost_usd) AS cost
FROM leeway.calls_v1 WHERE tags['replay'] = {run:String} FORMAT JSON
"""
_RAW = """
SELECT interaction_id, count() AS copies
FROM leeway.{table:Identifier} WHERE tags['replay'] = {run:String} GROUP BY interaction_id FORMAT JSON
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A call as the analysts' view shows it; `cost` is None until it is rated, and without usage."""

    interaction_id: str
    status: str
    tokens: tuple[int, int]
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found; ids are named so that a fault can be followed."""

    stored: int
    lost: Sequence[str]
    doubled: Sequence[str]
    wrong: Sequence[str]
    unacknowledged: Mapping[str, int]
    cost_usd: Decimal
    expected_cost_usd: Decimal

    @property
    def ok(self) -> bool:
        """Every accepted call once, right and priced; others only if whole or cut off by a kill."""
        exact = not (self.lost or self.doubled or self.wrong)
        explained = set(self.unacknowledged) <= {"ok", "interrupted"}
        return exact and explained and self.cost_usd == self.expected_cost_usd


@dataclass(frozen=True, slots=True)
class Login:
    """Where SQL is asked, and as whom."""

    url: str
    user: str
    password: str = field(repr=False)


class Books:
    """Reads what is stored of one run."""

    def __init__(self, login: Login, run: str) -> None:
        self._login = login
        self._run = run

    async def view(self, accepted: Iterable[str]) -> list[Seen]:
        """The rows of the view, once every accepted call is among them and rated, or patience ends."""
        wanted, deadline = set(accepted), time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = [_seen(row) for row in await self._ask(_VIEW)]
            rated = {each.interaction_id for each in seen if each.cost is not None}
            if wanted <= rated or time.monotonic() > deadline:
                return seen
            await asyncio.sleep(PAUSE_SECONDS)

    async def copies(self, table: str) -> Counter[str]:
        """How often each interaction stands in a raw table; only the operators may ask."""
        rows = await self._ask(_RAW, {"param_table": table})
        return Counter({row["interaction_id"]: int(row["copies"]) for row in rows})

    async def _ask(self, sql: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
        login = self._login
        auth = {"X-ClickHouse-User": login.user, "X-ClickHouse-Key": login.password}
        bound = {"param_run": self._run, **(parameters or {})}
        async with (
            aiohttp.ClientSession(headers=auth) as session,
            session.post(login.url, params=bound, data=sql, raise_for_status=True) as reply,
        ):
            rows: list[Any] = json.loads(await reply.read())["data"]
            return rows


def audit(
    accepted: Sequence[tuple[str, Call]], seen: Sequence[Seen], raw: Sequence[Counter[str]]
) -> Verdict:
    """Compare the client's own list with the view and with the copies in each raw table."""
    wanted = dict(accepted)
    found = {each.interaction_id: each for each in seen}
    shown = Counter(each.interaction_id for each in seen)
    everywhere = [Counter(name for name, _ in accepted), shown, *raw]
    acknowledged = [found[name] for name in wanted if name in found]
    return Verdict(
        stored=len(acknowledged),
        lost=[name for name in wanted if not all(copies[name] for copies in everywhere)],
        doubled=sorted({name for copies in everywhere for name, n in copies.items() if n > 1}),
        wrong=[each.interaction_id for each in acknowledged if not _right(each, wanted)],
        unacknowledged=Counter(e.status for e in seen if e.interaction_id not in wanted),
        cost_usd=sum((each.cost or Decimal(0) for each in acknowledged), Decimal(0)),
        expected_cost_usd=sum((call.cost for _, call in accepted), Decimal(0)),
    )


def _right(seen: Seen, wanted: Mapping[str, Call]) -> bool:
    call = wanted[seen.interaction_id]
    return seen.status == "ok" and seen.tokens == (call.input_tokens, call.output_tokens)


def _seen(row: Mapping[str, Any]) -> Seen:
    return Seen(
        interaction_id=row["interaction_id"],
        status=row["status"],
        tokens=(int(row["input_tokens"] or 0), int(row["output_tokens"] or 0)),
        cost=Decimal(row["cost"]) if row["cost"] else None,
    )
