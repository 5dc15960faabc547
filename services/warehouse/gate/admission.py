"""The gate itself: a tenant's text in, a statement that can only see that tenant out, or a refusal."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from services.warehouse.engine import Result, Statement
from services.warehouse.faults import ACCESS_DENIED, BAD_ARGUMENTS, SqlFault
from services.warehouse.gate.checks import cte_names, faults_of
from services.warehouse.gate.reading import read
from services.warehouse.gate.rewriting import rewrite
from services.warehouse.gate.tables import TENANT_PARAMETER, scoped
from services.warehouse.gate.witness import Node, objections, parse_tree

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A query that may run: its new text, its output format if it named one, and what it reads."""

    sql: str
    format: str
    ctes: frozenset[str]
    tables: frozenset[tuple[str, str]]


class Explains(Protocol):
    """Who can say how ClickHouse reads a query: the engine."""

    async def run(self, statement: Statement) -> Result:
        """Run one statement. Raises `SqlFault`."""
        ...


def admit(sql: str) -> Admitted:
    """Check a tenant's query and write it anew. Raises `SqlFault` with every reason."""
    reading = read(sql)
    faults = sorted(set(faults_of(reading.tree)))
    if faults:
        raise SqlFault(ACCESS_DENIED, f"The query was refused: {'; '.join(faults)}.")
    ctes = cte_names(reading.tree)
    tables = frozenset(
        (table.db, table.name)
        for table in reading.tree.find_all(exp.Table)
        if scoped(table.db, table.name)
    )
    return Admitted(rewrite(reading.tree), reading.format, ctes, tables)


class Gate:
    """Admits a tenant's query, and has the engine confirm that it reads it the same way."""

    def __init__(self, engine: Explains) -> None:
        self._engine = engine

    async def pass_through(
        self, sql: str, tenant: str, parameters: Mapping[str, str]
    ) -> tuple[Admitted, dict[str, str]]:
        """The admitted query and all its parameters. Raises `SqlFault`."""
        if not _TENANT.fullmatch(tenant):
            raise SqlFault(ACCESS_DENIED, "The tenant's name cannot be used in SQL.")
        if any(name.startswith("leeway_") for name in parameters):
            raise SqlFault(BAD_ARGUMENTS, "Names of parameters must not begin with leeway_.")
        admitted = await asyncio.to_thread(admit, sql)
        bound = {**parameters, TENANT_PARAMETER: tenant}
        await self._confirm(admitted, bound)
        return admitted, bound

    async def _confirm(self, admitted: Admitted, bound: Mapping[str, str]) -> None:
        scopes = [await self._scope(table, bound) for table in sorted(admitted.tables)]
        tree = await self._explain(admitted.sql, bound)
        found = sorted(set(objections(tree, admitted.ctes, scopes)))
        if found:
            raise SqlFault(ACCESS_DENIED, f"The query was refused: {', '.join(found)}.")

    async def _scope(self, table: tuple[str, str], bound: Mapping[str, str]) -> Node:
        query = scoped(*table)
        assert query is not None
        tenant = {TENANT_PARAMETER: bound[TENANT_PARAMETER]}
        return await self._explain(query, tenant)

    async def _explain(self, sql: str, bound: Mapping[str, str]) -> Node:
        statement = Statement(
            f"EXPLAIN AST {sql}".encode(), "TSVRaw", parameters=bound, read_only=True
        )
        result = await self._engine.run(statement)
        return parse_tree(result.data.decode())
