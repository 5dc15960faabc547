"""Every SQL panel runs on the real engine: as a tenant's analyst, through the gate, wherever it reads the views."""

import re
from pathlib import Path

import aiohttp

from tests.deployment import dashboards, queries
from tests.stores import OPERATOR, PASSWORD, TENANTS, Store, a_sink, a_store, interactions, usages

# As grafana-clickhouse-datasource writes its macros out.
_FROM, _TO = 1_767_225_000, 1_767_229_000
_MACROS = (
    (
        re.compile(r"\$__timeFilter\((\w+)\)"),
        rf"\1 >= toDateTime({_FROM}) AND \1 <= toDateTime({_TO})",
    ),
    (
        re.compile(r"\$__timeInterval\((\w+)\)"),
        r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)",
    ),
    (re.compile(r"\$\{tenant:singlequote\}"), "'acme'"),
)


def _asked(sql: str) -> str:
    for macro, text in _MACROS:
        sql = macro.sub(text, sql)
    assert "$" not in sql
    return sql


async def _answer(store: Store, sql: str, user: str) -> tuple[int, str]:
    password = {OPERATOR: PASSWORD, **TENANTS}[user]
    login = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
    parameters = {"default_format": "JSONEachRow", "database": "leeway"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(store.url, params=parameters, data=sql, headers=login) as answer,
    ):
        return answer.status, await answer.text()


async def test_every_panel_and_variable_of_sql_runs(tmp_path: Path) -> None:
    every = [sql for each in dashboards().values() for sql in queries(each, "rawSql")]
    every += [v["query"] for each in dashboards().values() for v in each["templating"]["list"]]
    async with a_store(tmp_path) as store:
        answers = {
            sql: await _answer(store, _asked(sql), OPERATOR if "leeway.stored" in sql else "acme")
            for sql in every
        }

    assert len(every) == 17
    assert {sql: text for sql, (status, text) in answers.items() if status != 200} == {}


async def test_a_panel_shows_what_was_recorded(tmp_path: Path) -> None:
    [calls] = [
        target["rawSql"]
        for panel in dashboards()["serving"]["panels"]
        for target in panel["targets"]
        if panel["title"] == "Calls by model"
    ]
    async with a_store(tmp_path) as store:
        async with store.client() as client:
            await a_sink(client).handle([*interactions(range(20)), *usages(range(20))])
        _, text = await _answer(store, _asked(calls), "acme")

    assert text == '{"time":"2026-01-01 00:00:00","request_model":"small","calls":20}\n'
