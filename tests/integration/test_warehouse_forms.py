"""Bound values too long for an address: multipart forms, as clickhouse-connect sends them and as an attacker would."""

import asyncio
from pathlib import Path

import aiohttp
import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from tests.stores import OPERATOR, PASSWORD, TENANTS, a_sink, a_store, interactions


async def test_clickhouse_connect_binds_values_too_long_for_an_address(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        async with store.client() as client:
            sink = a_sink(client)
            await sink.handle(interactions(range(20)))
            await sink.handle(interactions(range(3), "beta"))
        await asyncio.to_thread(_bind_long_values, store.port, "acme", TENANTS["acme"])
        await asyncio.to_thread(_bind_long_values, store.port, OPERATOR, PASSWORD)
        await _bind_long_values_async(store.port)


def _bind_long_values(port: int, user: str, password: str) -> None:
    long = "it's \\ \t\r\n--ß" * 700
    ids = [f"acme-{n:06}" for n in range(2_000)]
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username=user, password=password, database="leeway"
    ) as client:
        assert client.query("SELECT {x:String} AS x", {"x": long}).result_rows == [(long,)]
        of_ids = "SELECT count() FROM interactions_v1 WHERE interaction_id IN {ids:Array(String)}"
        assert client.query(of_ids, {"ids": ids}).result_rows == [(20,)]
        assert client.query(f"{of_ids} LIMIT 0", {"ids": ids}).column_names == ("count()",)
        beta = [f"beta-{n:06}" for n in range(2_000)]
        seen = client.query(of_ids, {"ids": beta}).result_rows
        assert seen == [(3 if user == OPERATOR else 0,)]
        with pytest.raises(DatabaseError, match="External tables are not offered"):
            client.query(
                "SELECT * FROM t",
                external_data=ExternalData(file_name="t.csv", data=b"1", fmt="CSV", types="Int8"),
            )


async def _bind_long_values_async(port: int) -> None:
    async with await clickhouse_connect.get_async_client(
        host="127.0.0.1",
        port=port,
        username="acme",
        password=TENANTS["acme"],
        form_encode_query_params=True,
    ) as client:
        asked = await client.query("SELECT {x:UInt8}, {y:String}", {"x": 1, "y": "ß" * 10_000})
        assert asked.result_rows == [(1, "ß" * 10_000)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"query": "SELECT * FROM leeway.interactions"}, b"ACCESS_DENIED"),
        ({"query": "SELECT 1", "param_leeway_tenant": "beta"}, b"must not begin with leeway_"),
        ({"query": "SELECT 1", "max_memory_usage": "0"}, b"settings go into the address"),
        ({"param_x": "1"}, b"Empty query"),
    ],
)
async def test_a_form_passes_the_same_gate(
    tmp_path: Path, fields: dict[str, str], told: bytes
) -> None:
    form = aiohttp.FormData(fields, default_to_multipart=True)
    login = {"X-ClickHouse-User": "acme", "X-ClickHouse-Key": TENANTS["acme"]}
    async with (
        a_store(tmp_path) as store,
        aiohttp.ClientSession(headers=login) as session,
        session.post(store.url, data=form) as answer,
    ):
        body = await answer.read()

    assert (answer.status // 100, told in body) == (4, True), body
