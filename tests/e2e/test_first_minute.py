"""The first minute of a new user: a call, its record in SQL, its price, feedback, and books that add up."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.stack import Stack, a_stack

CALLS = """
SELECT interaction_id, input_tokens, output_tokens, toString(cost_usd) AS cost, thumb
FROM leeway.calls_v1 ORDER BY started_at FORMAT JSON
"""


async def rows(stack: Stack, sql: str) -> list[dict[str, object]]:
    ready = stack.ready
    auth = {
        "X-ClickHouse-User": ready["sql_user"],
        "X-ClickHouse-Key": ready["sql_password"],
    }
    async with (
        aiohttp.ClientSession(headers=auth) as session,
        session.post(ready["sql_url"], data=sql) as reply,
    ):
        text = await reply.text()
        assert reply.status == 200, text
        found: list[dict[str, object]] = json.loads(text)["data"]
        return found


async def priced(stack: Stack, count: int, *, thumbs: int = 0) -> list[dict[str, object]]:
    """The calls, once there are so many, all of them priced and so many of them rated by people."""
    async with asyncio.timeout(30):
        while True:
            found = await rows(stack, CALLS)
            rated = sum(1 for row in found if row["thumb"])
            if len(found) == count and rated == thumbs and all(row["cost"] for row in found):
                return found
            await asyncio.sleep(0.1)


async def call(stack: Stack, *, stream: bool = False) -> tuple[str, str]:
    """One call of the demo model with stated token counts: its id and the cost on its reply."""
    ready = stack.ready
    metadata = {"leeway_demo_input_tokens": "374", "leeway_demo_output_tokens": "44"}
    async with AsyncOpenAI(base_url=ready["url"] + "/v1", api_key=ready["api_key"]) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="demo",
            messages=[{"role": "user", "content": "Where is my card?"}],
            metadata=metadata,
            stream=stream,
        )
        if stream:
            async for _ in raw.parse():  # type: ignore[union-attr]
                pass
        return raw.headers["x-leeway-interaction-id"], raw.headers.get("x-leeway-cost-usd", "")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter too, where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="leeway-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("words", [(), ("--cluster",)], ids=["embedded", "cluster"])
async def test_a_call_is_recorded_priced_and_queryable(
    folder: Path, words: tuple[str, ...]
) -> None:
    async with a_stack(folder, *words) as stack:
        ready = stack.ready
        (first, cost), (second, _) = await call(stack), await call(stack, stream=True)
        async with (
            aiohttp.ClientSession(headers={"x-api-key": ready["api_key"]}) as session,
            session.post(
                ready["url"] + "/v1/feedback",
                json={"interaction_id": first, "kind": "thumbs", "label": "up"},
            ) as reply,
        ):
            assert reply.status == 200

        found = await priced(stack, 2, thumbs=1)
        code, books = await stack.leeway(
            "doctor", "accounting", "--json", "--url", ready["sql_url"]
        )
        exit_code = await stack.stop()

    assert [row["interaction_id"] for row in found] == [first, second]
    assert [(row["input_tokens"], row["output_tokens"]) for row in found] == [(374, 44)] * 2
    assert {Decimal(str(row["cost"])) for row in found} == {Decimal(cost)} == {Decimal("0.0000825")}
    assert found[0]["thumb"] == "up"
    assert (code, json.loads(books)["ok"]) == (0, True)
    assert exit_code == 0


@pytest.mark.parametrize(
    ("words", "killed"),
    [((), ("core", "edge-0", "warehouse")), (("--cluster",), ("warehouse", "billing", "edge"))],
    ids=["embedded", "cluster"],
)
async def test_a_killed_process_comes_back_and_nothing_accepted_is_lost(
    folder: Path, words: tuple[str, ...], killed: tuple[str, ...]
) -> None:
    async with a_stack(folder, *words) as stack:
        accepted = [(await call(stack))[0] for _ in range(5)]
        for name in killed:
            os.kill(stack.ready["pids"][name], signal.SIGKILL)
        accepted += [(await call(stack))[0] for _ in range(5)]

        found = await priced(stack, 10)
        code, books = await stack.leeway(
            "doctor", "accounting", "--json", "--url", stack.ready["sql_url"]
        )

    assert [row["interaction_id"] for row in found] == accepted
    assert (code, json.loads(books)["ok"]) == (0, True)
