"""The SQL interface over the real engine, as clients speak it, and the wall between tenants."""

import asyncio
import gzip
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp
import clickhouse_connect
import cramjam
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from services.warehouse.engine import Engine, EngineLimits, Statement
from services.warehouse.faults import SqlFault
from services.warehouse.gate.admission import Gate
from services.warehouse.gate.tables import VIEWS
from services.warehouse.gate.witness import objections, parse_tree
from tests.corpora.analyst_sql import ALLOWED, REFUSED
from tests.stores import OPERATOR, PASSWORD, TENANTS, Store, a_sink, a_store, interactions, usages

_READS = re.compile(r"SELECT|WITH")
# Of no harm to any tenant but the one that asks: the engine's own limits would stop them.
_ONLY_TOO_MUCH = frozenset(
    sql
    for sql in REFUSED
    if sql.startswith(
        ("SELECT [[", "SELECT 1 IN (0,", "SELECT 'xxx", "SELECT 1 UNION ALL SELECT 1 U")
    )
)


async def _filled(store: Store) -> None:
    """Both tenants' facts: twenty interactions of acme, three of beta, whose ids all say so."""
    async with store.client() as client:
        sink = a_sink(client)
        await sink.handle([*interactions(range(20)), *usages(range(20))])
        await sink.handle([*interactions(range(3), "beta"), *usages(range(3), "beta")])


async def _post(
    store: Store,
    sql: str | bytes,
    *,
    user: str = "acme",
    headers: Mapping[str, str] = MappingProxyType({}),
    **query: str,
) -> tuple[int, bytes, Mapping[str, str]]:
    password = {OPERATOR: PASSWORD, **TENANTS}[user]
    login = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(store.url, params=query, data=sql, headers={**login, **headers}) as answer,
    ):
        return answer.status, await answer.read(), answer.headers


async def test_every_query_of_an_analysts_day_runs(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await _filled(store)
        failed = {}
        for sql in ALLOWED:
            status, body, _ = await _post(store, sql)
            if status != 200:
                failed[sql] = body.decode()

        assert failed == {}


async def test_nothing_that_must_be_refused_gets_through(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        gate = Gate(store.engine)
        for sql in REFUSED:
            with pytest.raises(SqlFault):
                await gate.pass_through(sql, "acme", {})


async def test_the_witness_alone_stops_what_a_wrong_parser_would_let_through(
    tmp_path: Path,
) -> None:
    async with a_store(tmp_path) as store:
        bound = {"t": "leeway.usage", "c": "cost_usd", "leeway_tenant": "acme"}
        seen, missed = 0, []
        for sql in filter(_READS.match, REFUSED):
            explain = Statement(f"EXPLAIN AST {sql}".encode(), "TSVRaw", bound, read_only=True)
            try:
                tree = parse_tree((await store.engine.run(explain)).data.decode())
            except SqlFault:
                continue  # the engine cannot read it either
            seen += 1
            if not list(objections(tree, frozenset(), [])):
                missed.append(sql[:40])

        assert seen > 100
        assert missed == [sql[:40] for sql in REFUSED if sql in _ONLY_TOO_MUCH]


async def test_no_answer_ever_holds_another_tenants_rows(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await _filled(store)
        everything = [f"SELECT * FROM {view}" for view in sorted(VIEWS)]
        for sql in [*everything, *ALLOWED]:
            _, body, _ = await _post(store, sql, user="acme")
            assert b"beta" not in body, sql
            _, body, _ = await _post(store, sql, user="beta")
            assert b"acme" not in body, sql


async def test_a_tenant_sees_its_own_rows_and_all_of_them(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await _filled(store)
        for user, rows in (("acme", b"20\n"), ("beta", b"3\n"), (OPERATOR, b"23\n")):
            _, body, _ = await _post(store, "SELECT count() FROM leeway.calls_v1", user=user)
            assert body == rows


@pytest.mark.parametrize(
    "query",
    [
        {"param_leeway_tenant": "beta"},
        {"readonly": "0"},
        {"additional_table_filters": "{}"},
        {"max_execution_time": "x"},
        {"database": "system"},
        {"default_format": "Template"},
        {"default_format": "dataframe"},
        {"format_schema": "/etc/passwd"},
        {"output_format_schema": "x"},
        {"limit": "1"},
        {"compress": "1"},
    ],
)
async def test_the_address_cannot_open_what_the_text_cannot(
    tmp_path: Path, query: dict[str, str]
) -> None:
    async with a_store(tmp_path) as store:
        status, body, headers = await _post(
            store, "SELECT count() FROM usage_v1", headers={}, **query
        )

        assert status in {400, 404, 501}, body
        assert headers["X-ClickHouse-Exception-Code"].isdigit()


async def test_a_query_of_a_tenant_is_bounded_in_time_rows_and_memory(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        slow = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
        status, body, _ = await _post(store, slow, max_execution_time="1")
        assert (status, b"TIMEOUT_EXCEEDED" in body) == (408, True)

        status, body, _ = await _post(store, "SELECT * FROM numbers(2000000)")
        assert (status, b"TOO_MANY_ROWS" in body) == (500, True)

        status, body, _ = await _post(store, "SELECT groupArray(number) FROM numbers(500000000)")
        assert (status, b"MEMORY_LIMIT_EXCEEDED" in body) == (500, True)


async def test_a_block_that_one_function_works_on_for_long_is_refused(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        long = "SELECT editDistance(repeat('ab', 30000), materialize(repeat('ba', 30000)))"
        status, body, _ = await _post(store, long)
        assert (status, b"write editDistance(left(a, 1000), left(b, 1000))" in body) == (403, True)

        short = "SELECT editDistance(left(repeat('ab', 30000), 1000), left('ba', 1000))"
        assert (await _post(store, short))[:2] == (200, b"998\n")

        folded = "SELECT arrayFold(acc, x -> acc + x, range(1000001), 0::UInt64)"
        status, body, _ = await _post(store, folded)
        assert (status, b"greater than the allowed maximum of 1000000" in body) == (500, True)


async def test_all_statements_together_are_bounded_in_memory(tmp_path: Path) -> None:
    limits = EngineLimits(memory_bytes=400_000_000)
    async with Engine(tmp_path / "store", limits) as engine:
        with pytest.raises(SqlFault) as refused:
            await engine.run(
                Statement(b"SELECT length(groupArray(number)) FROM numbers(200000000)")
            )

        assert (engine.memory_bytes, refused.value.name) == (400_000_000, "MEMORY_LIMIT_EXCEEDED")
        assert "(total) memory limit exceeded" in refused.value.message
        assert await engine.query("SELECT 1 AS n") == [{"n": 1}]


async def test_the_memory_of_all_is_no_more_than_its_share_of_the_machines(tmp_path: Path) -> None:
    async with Engine(tmp_path / "store", EngineLimits(memory_bytes=10**15)) as engine:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

        assert 0 < engine.memory_bytes <= machine / 2


async def test_a_slow_report_does_not_hold_up_an_insert(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        slow = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
        reports = [
            asyncio.ensure_future(_post(store, slow, max_execution_time="4")) for _ in range(8)
        ]
        await asyncio.sleep(0)
        await asyncio.wait_for(_filled(store), timeout=3.8)

        assert not any(report.done() for report in reports)
        await asyncio.gather(*reports)


async def test_a_tenants_slow_reports_leave_room_for_another_tenant(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        slow = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
        reports = [
            asyncio.ensure_future(_post(store, slow, max_execution_time="2")) for _ in range(6)
        ]
        await asyncio.wait(reports, timeout=0.1)

        status, body, _ = await asyncio.wait_for(_post(store, "SELECT 1", user="beta"), timeout=1.8)

        assert (status, body) == (200, b"1\n")
        assert not any(report.done() for report in reports)
        await asyncio.gather(*reports)


async def test_a_format_that_is_no_bytes_is_no_format(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        status, body, _ = await _post(store, "SELECT 1", user=OPERATOR, default_format="DataFrame")

        assert (status, b"UNKNOWN_FORMAT" in body) == (404, True)


async def test_clickhouse_connect_works_for_both_kinds_of_user(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await _filled(store)
        await asyncio.to_thread(_drive_as_operator, store.port)
        await asyncio.to_thread(_drive_as_tenant, store.port)


def _drive_as_operator(port: int) -> None:
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username=OPERATOR, password=PASSWORD
    ) as client:
        client.command(
            "CREATE TABLE leeway.notes (n UInt64, text String) ENGINE = MergeTree ORDER BY n"
        )
        client.insert("leeway.notes", [[1, "it's"], [2, "b"]], column_names=["n", "text"])
        rows = client.query("SELECT text FROM leeway.notes WHERE n = {n:UInt64}", {"n": 1})
        assert rows.result_rows == [("it's",)]
        assert client.query_df("SELECT * FROM leeway.notes ORDER BY n")["n"].tolist() == [1, 2]


def _drive_as_tenant(port: int) -> None:
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username="acme", password=TENANTS["acme"], database="leeway"
    ) as client:
        rows = client.query(
            "SELECT count() FROM interactions_v1 WHERE interaction_id IN {ids:Array(String)}",
            {"ids": ["acme-000001", "acme-000002", "it's"]},
        )
        assert rows.result_rows == [(2,)]
        frame = client.query_df("SELECT tenant, cost_usd FROM usage_v1 ORDER BY usage_id LIMIT 1")
        assert frame.to_dict("list") == {"tenant": ["acme"], "cost_usd": [frame["cost_usd"][0]]}
        assert str(frame["cost_usd"][0]) == "1E-18"
        with pytest.raises(DatabaseError, match="SYNTAX_ERROR"):
            client.command("DROP TABLE leeway.usage")
        with pytest.raises(DatabaseError):
            client.insert("leeway.usage_v1", [["x"]], column_names=["usage_id"])


async def test_the_headers_are_clickhouses_own(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        status, body, headers = await _post(
            store, "SELECT 1 AS n FORMAT JSONEachRow", query_id="q-1"
        )

        assert (status, body) == (200, b'{"n":1}\n')
        assert headers["X-ClickHouse-Query-Id"] == "q-1"
        assert headers["X-ClickHouse-Format"] == "JSONEachRow"
        assert '"result_rows":"1"' in headers["X-ClickHouse-Summary"]


async def test_a_fault_is_clickhouses_own_text_and_status(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        status, body, headers = await _post(store, "SELECT nothing", user=OPERATOR)

        assert status == 404
        assert headers["X-ClickHouse-Exception-Code"] == "47"
        assert body.startswith(b"Code: 47. DB::Exception: Unknown expression identifier `nothing`")
        assert body.rstrip().endswith(
            f"(UNKNOWN_IDENTIFIER) (version {store.engine.version})".encode()
        )


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
async def test_bodies_travel_compressed_both_ways(tmp_path: Path, encoding: str) -> None:
    codec = getattr(cramjam, encoding)
    async with a_store(tmp_path) as store:
        status, body, headers = await _post(
            store,
            bytes(codec.compress(b"SELECT number FROM numbers(1000)")),
            headers={"Content-Encoding": encoding, "Accept-Encoding": encoding},
            enable_http_compression="1",
        )

        assert (status, headers["Content-Encoding"]) == (200, encoding)
        assert bytes(codec.decompress(body)).splitlines()[-1] == b"999"


async def test_an_insert_may_carry_its_data_compressed_behind_the_query(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await _post(store, "CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a", user=OPERATOR)
        rows = gzip.compress(b'{"a":"x"}\n{"a":"y"}\n')

        status, _, headers = await _post(
            store,
            rows,
            user=OPERATOR,
            headers={"Content-Encoding": "gzip"},
            query="INSERT INTO t FORMAT JSONEachRow",
        )

        assert (status, '"written_rows":"2"' in headers["X-ClickHouse-Summary"]) == (200, True)
        _, body, _ = await _post(store, "SELECT a FROM t ORDER BY a", user=OPERATOR)
        assert body == b"x\ny\n"


@pytest.mark.parametrize(
    "into",
    ["t", "`default`.`t` (a) ", 'TABLE "default"."t"(a)\n', "t SETTINGS async_insert = 0\n"],
)
async def test_inserted_rows_go_on_after_a_blank_line(tmp_path: Path, into: str) -> None:
    async with a_store(tmp_path) as store:
        await _post(
            store, "CREATE TABLE t (a String) ENGINE = Memory", user=OPERATOR, database="default"
        )
        rows = f'INSERT INTO {into} FORMAT JSONEachRow\n{{"a":"x"}}\n\n{{"a":"y"}}\n'

        status, _, _ = await _post(store, rows, user=OPERATOR, database="default")

        _, body, _ = await _post(store, "SELECT a FROM t", user=OPERATOR, database="default")
        assert (status, body) == (200, b"x\ny\n")


async def test_a_get_cannot_write_even_for_the_operators(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, aiohttp.ClientSession() as session:
        query = {"query": "DROP TABLE leeway.usage", "user": OPERATOR, "password": PASSWORD}
        async with session.get(store.url, params=query) as answer:
            assert (answer.status, b"READONLY" in await answer.read()) == (400, True)


async def test_health_needs_no_password_and_everything_else_does(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, aiohttp.ClientSession() as session:
        for path in ("/", "/ping", "/replicas_status"):
            async with session.get(store.url + path) as answer:
                assert (answer.status, await answer.text()) == (200, "Ok.\n")
        async with session.get(store.url, params={"query": "SELECT 1"}) as answer:
            assert answer.status == 401
        login = {"Authorization": aiohttp.encode_basic_auth("acme", "wrong")}
        async with session.post(store.url, data="SELECT 1", headers=login) as answer:
            assert (answer.status, b"AUTHENTICATION_FAILED" in await answer.read()) == (403, True)


async def test_a_setting_of_one_request_is_gone_with_it(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        joined = (
            "SELECT b FROM (SELECT 1 AS a) AS x LEFT JOIN (SELECT 2 AS a, 'x' AS b) AS y USING (a)"
        )

        _, with_nulls, _ = await _post(store, joined, join_use_nulls="1")
        _, without, _ = await _post(store, joined)

        assert (with_nulls, without) == (b"\\N\n", b"\n")
