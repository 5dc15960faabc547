"""docs/analyst.md keeps its word: every query runs, every column is there and is told with its type."""

import re
from pathlib import Path

import aiohttp

from services.warehouse.gate.tables import VIEWS
from tests.stores import TENANTS, a_sink, a_store, interactions, usages

DOCUMENT = (Path(__file__).parents[2] / "docs" / "analyst.md").read_text(encoding="utf-8")
_QUERY = re.compile(r"```sql\n(.*?)```", re.DOTALL)
_VIEW = re.compile(r"^### (\w+_v\d+)\n(.*?)(?=^### |\Z)", re.DOTALL | re.MULTILINE)
_COLUMN = re.compile(r"^\| `(\w+)` \| `([^`]+)` \| \S", re.MULTILINE)


def _documented() -> dict[str, dict[str, str]]:
    return {view: dict(_COLUMN.findall(text)) for view, text in _VIEW.findall(DOCUMENT)}


def _plain(type_name: str) -> str:
    """A type as the document writes it: on one line, without how it is stored."""
    stored = re.sub(r"LowCardinality\((\w+)\)", r"\1", " ".join(type_name.split()))
    return stored.replace("( ", "(")


async def test_every_query_runs_as_a_tenants_user(tmp_path: Path) -> None:
    queries = _QUERY.findall(DOCUMENT)
    assert len(queries) >= 10
    login = {"X-ClickHouse-User": "acme", "X-ClickHouse-Key": TENANTS["acme"]}
    async with a_store(tmp_path) as store, store.client() as client:
        await a_sink(client).handle([*interactions(range(5)), *usages(range(5))])
        async with aiohttp.ClientSession(headers=login) as session:
            for query in queries:
                async with session.post(store.url, data=query) as answer:
                    assert answer.status == 200, f"{query}\n{await answer.text()}"


async def test_every_column_of_every_view_is_documented_and_there(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        rows = await client.query(
            "SELECT table, name, type FROM system.columns"
            " WHERE database = 'leeway' AND match(table, '_v[0-9]+$') ORDER BY table, position"
        )
    there: dict[str, dict[str, str]] = {}
    for row in rows:
        there.setdefault(row["table"], {})[row["name"]] = _plain(row["type"])

    assert _documented() == there
    assert set(there) == VIEWS
