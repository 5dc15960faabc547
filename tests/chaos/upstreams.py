"""Calls through a house to a stub upstream that fails as upstreams do, and what must be recorded of each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.house import Answer, House, a_call, a_house
from tests.chaos.report import Trial
from tests.upstream import Upstream, served

CONCURRENCY = 8

_CONFIG = """
providers:
  - {{name: stub, kind: openai, base_url: "{url}/v1", api_key: "${{STUB_KEY}}"}}
models:
  - {{name: gpt, routes: [{{provider: stub, model: gpt-4o-mini}}]}}
tenants:
  - tenant: default
    keys: [{{name: app, scopes: [serve, ingest, feedback, read]}}]
"""

Stub = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call as the raw table has it."""

    status: str
    attempts: int
    copies: int


@dataclass(slots=True)
class Callers:
    """Clients that call the stub's model once for each number, and never again."""

    house: House
    upstream: Upstream
    answers: dict[str, Answer] = field(default_factory=dict)

    async def call(self, kinds: Sequence[tuple[Stub, bool]]) -> None:
        """A call for each kind (what the stub does, and whether it streams), some of them at once."""
        gate, first = asyncio.Semaphore(CONCURRENCY), len(self.answers)

        async def once(number: int, stub: Stub, *, stream: bool) -> None:
            name = f"call-{number}"
            async with gate:
                body = a_call(name, model="gpt", stream=stream, stub=dict(stub))
                self.answers[name] = await self.house.post("/v1/chat/completions", body)

        await asyncio.gather(
            *(once(n, stub, stream=stream) for n, (stub, stream) in enumerate(kinds, first))
        )

    def asked(self) -> Counter[str]:
        """How often the upstream was asked for each call."""
        return Counter(one.body["messages"][0]["content"] for one in self.upstream.received)

    async def all_recorded(self) -> dict[str, Recorded]:
        """The same as `recorded`, once each call that the upstream was asked for is among them.

        Their number would tell nothing: a call that was open and not asked for is recorded as well.
        """
        await self.house.comes_async(self._all_recorded)
        return await self.recorded()

    async def _all_recorded(self) -> bool:
        return set(self.asked()) <= set(await self.recorded())

    async def recorded(self) -> dict[str, Recorded]:
        """Every call that is recorded."""
        rows = await self.house.client.query(
            "SELECT input_text, any(status) AS status, any(length(attempts.status)) AS attempts,"
            " count() AS copies FROM leeway.interactions WHERE request_model = 'gpt' GROUP BY input_text"
        )
        return {
            row["input_text"]: Recorded(row["status"], int(row["attempts"]), int(row["copies"]))
            for row in rows
        }


@asynccontextmanager
async def callers(folder: Path, trial: Trial, **settings: str) -> AsyncIterator[Callers]:
    """A house whose only upstream is the stub."""
    upstream = Upstream()
    async with served(upstream.app()) as urls:
        config = folder / "leeway.yaml"
        config.write_text(_CONFIG.format(url=urls[0]))
        settings |= {"LEEWAY_CONFIG": str(config), "STUB_KEY": "sk-stub"}
        async with a_house(folder, trial, **settings) as house:
            yield Callers(house, upstream)
