"""`leeway sql` against a store that runs."""

import asyncio
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from services.cli.sql import sql
from shared.errors import Denied, Invalid, Unavailable
from tests.stores import OPERATOR, PASSWORD, TENANTS, Store, a_sink, a_store, usages


def _printed(result: Result) -> str:
    """What the command printed; the store runs in this process and logs to the same place."""
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if "sql.answered" not in line)


async def _run(store_url: str, *arguments: str, stdin: str = "") -> Result:
    app = typer.Typer()
    app.command()(sql)
    return await asyncio.to_thread(
        CliRunner().invoke, app, [*arguments, "--url", store_url], input=stdin
    )


async def _as_acme(store: Store, *arguments: str, stdin: str = "") -> Result:
    login = ("--user", "acme", "--password", TENANTS["acme"])
    return await _run(store.url, *arguments, *login, stdin=stdin)


async def test_an_answer_is_a_table_json_lines_or_csv(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, store.client() as client:
        await a_sink(client).handle(usages(range(1)))
        query = "SELECT usage_id, cost_usd FROM usage_v1"

        table = await _as_acme(store, query)
        lines = await _as_acme(store, query, "--format", "json")
        csv = await _as_acme(store, "-", "--format", "csv", stdin=query)

        assert "│ acme-000000 │ 0.000000000000000001 │" in _printed(table)
        assert _printed(lines) == '{"usage_id":"acme-000000","cost_usd":0.000000000000000001}\n'
        assert _printed(csv) == '"usage_id","cost_usd"\n"acme-000000",0.000000000000000001\n'


async def test_the_querys_own_format_wins(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        result = await _as_acme(store, "SELECT 1 AS n FORMAT TSVWithNames")

        assert _printed(result) == "n\n1\n"


async def test_the_operators_only_read_unless_they_say_that_they_write(tmp_path: Path) -> None:
    login = ("--user", OPERATOR, "--password", PASSWORD)
    async with a_store(tmp_path) as store:
        made = await _run(
            store.url, "CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a", *login, "--write"
        )
        refused = [
            await _run(store.url, sql, *login)
            for sql in ("DROP TABLE t", "INSERT INTO t VALUES (1)", "SET readonly = 0")
        ]
        left = await _run(store.url, "SELECT count() AS n FROM t", *login, "--format", "csv")
        shown = await _run(store.url, "SHOW TABLES LIKE 't'", *login, "--format", "csv")

    assert (made.exit_code, _printed(made)) == (0, "")
    for result in refused:
        assert isinstance(result.exception, Denied)
        assert result.exception.message == (
            "This changes what is stored, or a setting: say so with --write."
        )
    assert (_printed(left), _printed(shown)) == ('"n"\n0\n', '"name"\n"t"\n')


async def test_what_goes_wrong_is_one_sentence(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        refused = await _as_acme(store, "SELECT * FROM leeway.usage")
        assert isinstance(refused.exception, Invalid)
        assert "there is no table leeway.usage" in refused.exception.message
    gone = await _as_acme(store, "SELECT 1")
    assert isinstance(gone.exception, Unavailable)
    nobody = await _run(store.url, "SELECT 1", "--user", "nobody-here")
    assert isinstance(nobody.exception, Denied)
