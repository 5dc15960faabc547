"""The migrations on a cluster of ClickHouse servers: each table replicated, sharded by what it is of.

A table `t` of a migration becomes `t_local` on every server, replicated among those of its shard, and
`t`, a Distributed table over them, through which it is written and read. Materialized views fill local
tables from local tables; the analyst views read the distributed ones, and stay as they are.
"""

import re
from collections.abc import Mapping, Sequence

from shared.clickhouse import Row, Statements, Value
from shared.errors import Invalid

_COMMENTS = re.compile(r"\A(?:\s*--[^\n]*\n)*\s*")
_DATABASE = re.compile(r"CREATE DATABASE IF NOT EXISTS leeway\Z")
_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS leeway\.(?P<name>\w+) (?P<columns>\(.*\))\s*"
    r"ENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^)]*)\))?\s*"
    r"(?P<rest>(?:PARTITION BY [^\n]+\s+)?ORDER BY (?:\((?P<keys>[^)]+)\)|(?P<key>\w+))(?:\s+SETTINGS .*)?)\Z",
    re.DOTALL,
)
_MATERIALIZED = re.compile(
    r"CREATE MATERIALIZED VIEW IF NOT EXISTS (?P<name>leeway\.\w+) TO (?P<target>leeway\.\w+) AS\s+(?P<select>SELECT\b.*)\Z",
    re.DOTALL,
)
_VIEW = re.compile(r"CREATE OR REPLACE VIEW (?P<name>leeway\.\w+) AS\s+(?P<select>.*)\Z", re.DOTALL)
_COLUMN = re.compile(
    r"ALTER TABLE leeway\.(?P<name>\w+)\s+(?P<change>(?:ADD COLUMN IF NOT EXISTS|MODIFY COLUMN) \w+ .*)\Z",
    re.DOTALL,
)
_SOURCE = re.compile(r"\b(FROM leeway\.\w+)")
_WINDOW = re.compile(r"non_replicated_deduplication_window = (\d+)")
# Replicas also forget tokens by age, after an hour unless told otherwise: a batch that was begun before a
# long outage would be stored again after it.
_REMEMBERED = (
    r"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = 604800"
)
# By what a row is spread, the first two of every fact's sorting key: the tenant and the id, or of drift's windows the model.
_SPREAD_BY = 2


def replicated(statement: str, cluster: str) -> Sequence[str]:
    """The statements that do on every server of the cluster what this one does on a single server.

    Raises `Invalid` for a statement of a kind that no migration has had: it must be thought about here.
    """
    text = _COMMENTS.sub("", statement, count=1).rstrip()
    if text.startswith("INSERT "):
        return [statement]
    if _DATABASE.match(text):
        return [f"{text} ON CLUSTER '{cluster}'"]
    if found := _TABLE.match(text):
        return _tables(found, cluster)
    if found := _MATERIALIZED.match(text):
        return [_materialized(found, cluster)]
    if found := _VIEW.match(text):
        return [
            f"CREATE OR REPLACE VIEW {found['name']} ON CLUSTER '{cluster}' AS\n{found['select']}"
        ]
    if found := _COLUMN.match(text):
        return [
            f"ALTER TABLE leeway.{table} ON CLUSTER '{cluster}' {found['change']}"
            for table in (f"{found['name']}_local", found["name"])
        ]
    raise Invalid(f"This statement has no form for a cluster: {text.splitlines()[0]}")


def _tables(found: re.Match[str], cluster: str) -> Sequence[str]:
    name, arguments = found["name"], found["arguments"]
    path = f"'/clickhouse/tables/{{shard}}/leeway/{name}', '{{replica}}'"
    engine = f"Replicated{found['engine']}({', '.join(filter(None, (path, arguments)))})"
    rest = _WINDOW.sub(_REMEMBERED, found["rest"])
    keys = [key.strip() for key in (found["keys"] or found["key"]).split(",")]
    spread = ", ".join(keys[:_SPREAD_BY])
    return [
        (
            f"CREATE TABLE IF NOT EXISTS leeway.{name}_local ON CLUSTER '{cluster}' {found['columns']}\n"
            f"ENGINE = {engine}\n{rest}"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS leeway.{name} ON CLUSTER '{cluster}' AS leeway.{name}_local\n"
            f"ENGINE = Distributed('{cluster}', 'leeway', '{name}_local', cityHash64({spread}))"
        ),
    ]


def _materialized(found: re.Match[str], cluster: str) -> str:
    select = _SOURCE.sub(r"\1_local", found["select"])
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {found['name']} ON CLUSTER '{cluster}'"
        f" TO {found['target']}_local AS\n{select}"
    )


class Replicated:
    """A `Statements` that runs what changes tables on every server of a cluster."""

    def __init__(self, store: Statements, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        for statement in replicated(sql, self._cluster):
            await self._store.command(statement, parameters)

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        return await self._store.query(sql, parameters)
