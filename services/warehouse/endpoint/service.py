"""The interface's routes: who asks, what may run for them, and what ClickHouse would answer."""

import hashlib
import re
from collections.abc import Callable

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.warehouse.endpoint.answering import Answers
from services.warehouse.endpoint.asking import Asked, credentials_of, read_asked
from services.warehouse.endpoint.limits import analyst_settings
from services.warehouse.endpoint.turns import Turns
from services.warehouse.engine import Engine, Rows, Statement
from services.warehouse.faults import (
    REQUIRED_PASSWORD,
    SYNTAX_ERROR,
    UNKNOWN_DATABASE,
    UNKNOWN_FORMAT,
    SqlFault,
)
from services.warehouse.gate.admission import Gate
from services.warehouse.gate.tables import FORMATS
from services.warehouse.users import User, Users
from shared.clock import SystemClock
from shared.http import on_client_left
from shared.measured import Measured

log = structlog.get_logger()

DEFAULT_FORMAT = "TabSeparated"

_TRAILING_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_INSERT = re.compile(rb"\s*INSERT\b", re.IGNORECASE)
# An INSERT of rows: where to, how they are written, and the rows from the next line on.
_INSERT_ROWS = re.compile(
    rb"""\s*(INSERT\s+INTO\s+(?:TABLE\s+)?[\w.`"]+\s*(?:\([^()]*\)\s*)?)"""
    rb"""((?:SETTINGS\s[^;\n]*?\s+)?FORMAT\s+\w+)[ \t\f]*\r?\n?""",
    re.IGNORECASE,
)


class SqlInterface:
    """Answers ClickHouse's HTTP interface: the operators ask the engine, tenants' users pass the gate."""

    def __init__(self, engine: Engine, users: Users) -> None:
        self._engine = engine
        self._users = users
        self._gate = Gate(engine)
        # Half of the readers at most: a second tenant always finds one free, or soon to be.
        self._turns = Turns(
            at_once=max(1, engine.limits.readers // 2), waiting=engine.limits.waiting
        )

    def app(self) -> Starlette:
        """The interface as an application of its own."""
        methods = ["GET", "POST"]
        return Starlette(
            routes=[
                Route("/ping", _fine),
                Route("/replicas_status", _fine),
                Route("/", self._root, methods=methods),
                Route("/query", self._root, methods=methods),
            ],
            middleware=[Middleware(Measured, clock=SystemClock())],
            exception_handlers={ClientDisconnect: on_client_left},
        )

    async def _root(self, request: Request) -> Response:
        if request.method == "GET" and "query" not in request.query_params:
            return await _fine(request)
        answers = Answers(self._engine.version, self._engine.timezone)
        query_id = request.query_params.get("query_id", "")
        try:
            return await self._answer(request, answers)
        except SqlFault as fault:
            return answers.fault(fault, query_id)

    async def _answer(self, request: Request, answers: Answers) -> Response:
        user = self._user(request)
        asked = await read_asked(request)
        if not asked.sql.strip():
            raise SqlFault(SYNTAX_ERROR, "Empty query.")
        if user.tenant is None:
            read_only = request.method == "GET"
            statement = _operators_statement(asked, self._engine.localised, read_only=read_only)
            result = await self._engine.run(statement)
        else:
            async with self._turns.turn(user.tenant):
                statement = await self._tenants_statement(user.tenant, asked)
                result = await self._engine.run(statement)
            _log_use(user.tenant, asked, result.result_rows)
        return await answers.result(asked, statement.format, result)

    def _user(self, request: Request) -> User:
        credentials = credentials_of(request)
        if credentials is None:
            raise SqlFault(REQUIRED_PASSWORD, "Send the name and the password of an SQL user.")
        return self._users.authenticate(credentials.user, credentials.password)

    @property
    def _analysts_memory_bytes(self) -> int:
        """Of one query. All that run at once have half of the memory: the other half is the sink's."""
        return self._engine.memory_bytes // (2 * self._engine.limits.readers)

    async def _tenants_statement(self, tenant: str, asked: Asked) -> Statement:
        if asked.database not in ("", "default", "leeway"):
            raise SqlFault(UNKNOWN_DATABASE, f"Database {asked.database} does not exist.")
        settings = analyst_settings(asked.settings, self._analysts_memory_bytes)
        text = _text(asked.sql)
        admitted, parameters = await self._gate.pass_through(text, tenant, asked.parameters)
        name = admitted.format or asked.default_format or DEFAULT_FORMAT
        if name not in FORMATS:
            raise SqlFault(UNKNOWN_FORMAT, f"Unknown format {name}.")
        return Statement(admitted.sql.encode(), name, parameters, settings, read_only=True)


def _operators_statement(
    asked: Asked, localised: Callable[[dict[str, str]], dict[str, str]], *, read_only: bool
) -> Statement:
    rows = _INSERT_ROWS.match(asked.sql)
    trailing = None if _INSERT.match(asked.sql) else _TRAILING_FORMAT.search(asked.sql)
    name = trailing[1].decode() if trailing else asked.default_format or DEFAULT_FORMAT
    return Statement(
        rows[1] if rows else asked.sql,
        name,
        asked.parameters,
        localised(asked.settings),
        asked.database or "leeway",
        read_only=read_only,
        rows=Rows(rows[2], asked.sql[rows.end() :]) if rows else None,
    )


def _text(sql: bytes) -> str:
    try:
        return sql.decode()
    except UnicodeDecodeError as fault:
        raise SqlFault(SYNTAX_ERROR, "The query is not valid UTF-8.") from fault


def _log_use(tenant: str, asked: Asked, rows: int) -> None:
    digest = hashlib.sha256(asked.sql).hexdigest()[:16]
    log.info("sql.answered", tenant=tenant, query_id=asked.query_id, sql_sha256=digest, rows=rows)


async def _fine(_: Request) -> Response:
    return PlainTextResponse("Ok.\n")
