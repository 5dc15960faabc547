"""The engine: chDB in this process, a fresh session for every statement, bounded threads for each class of user."""

import asyncio
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import chdb
import orjson
import structlog

from services.warehouse.faults import (
    ABORTED,
    BAD_ARGUMENTS,
    NOT_ENOUGH_SPACE,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_FORMAT,
    SqlFault,
    fault_of,
)
from services.warehouse.tokens import forget_unkept
from shared.clickhouse import Row, Value
from shared.errors import Invalid
from shared.ids import new_id

log = structlog.get_logger()

_ABOUT = """
SELECT version() AS version, timezone() AS timezone,
    (SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage') AS memory_bytes
"""
_SETTING_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Formats of chDB's own that are Python objects and not bytes.
_OBJECT_FORMATS = frozenset({"arrowtable", "dataframe", "datastore"})
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


@dataclass(frozen=True, slots=True)
class Rows:
    """The data of an INSERT, and the clause before it: its FORMAT, and its SETTINGS where it has some."""

    clause: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the engine runs it: the bytes of the SQL, and the rows that an INSERT brings.

    `parameters` are in ClickHouse's escaped form, as `param_x` of the HTTP interface carries them;
    `settings` hold for this statement only. A `read_only` statement cannot write, and cannot leave the store.
    An INSERT with `rows` ends before their clause.
    """

    sql: bytes
    format: str = "TabSeparated"
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = "default"
    read_only: bool = False
    rows: Rows | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: the formatted bytes, and the counts of ClickHouse's summary."""

    data: bytes
    result_rows: int
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much runs at once, and in how much memory. Readers and writers have threads of their own: a report
    cannot stop the sink.

    All statements together have `memory_bytes`, or `memory_share` of the machine's where that is less. One
    that would take more is ended: what the sink inserts is tried again.
    """

    readers: int = 4
    writers: int = 4
    waiting: int = 64
    memory_bytes: int = 4 * 1024**3
    memory_share: float = 0.5


class Engine:
    """Owns the folder of a chDB store. One process may open it; many statements may run in it at once.

    A session costs 0.3 ms (chdb-core 26.9, two cores), so each statement gets a fresh one: no setting
    and no `USE` of one caller is ever seen by another.
    """

    def __init__(self, folder: Path, limits: EngineLimits | None = None) -> None:
        self._folder = folder
        self._schemas = folder.parent / "schemas"
        self._blocks = folder.parent / "blocks"
        self.limits = limits or EngineLimits()
        self._readers = _Lane(self.limits.readers, self.limits.waiting, "warehouse-read")
        self._writers = _Lane(self.limits.writers, self.limits.waiting, "warehouse-write")
        self._keeper: Any = None
        self.version = ""
        self.timezone = ""
        self.memory_bytes = 0  # of all statements together, on this machine

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._blocks, ignore_errors=True)  # of an engine that was killed
        self._blocks.mkdir()
        for block in await asyncio.to_thread(forget_unkept, self._folder):
            log.warning("warehouse.block_cut_off", block=block)
        self._keeper = await asyncio.to_thread(chdb.connect, self._bounded_place())
        [about] = await self.query(_ABOUT)
        self.version, self.timezone = about["version"], about["timezone"]
        self.memory_bytes = int(about["memory_bytes"])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(self._readers.close(), self._writers.close())
        await asyncio.to_thread(self._keeper.close)
        self._keeper = None

    def _bounded_place(self) -> str:
        """The folder, with the settings of a server: the first connection makes them, for all others."""
        limits = self.limits
        return (
            f"{self._folder}?max_server_memory_usage={limits.memory_bytes}"
            f"&max_server_memory_usage_to_ram_ratio={limits.memory_share}"
        )

    @property
    def ready(self) -> bool:
        """Whether the store is open."""
        return self._keeper is not None

    async def run(self, statement: Statement) -> Result:
        """Run one statement. Raises `SqlFault` with what the engine said."""
        if not self.ready:
            raise SqlFault(ABORTED, "The store is not open.")
        if statement.format.lower() in _OBJECT_FORMATS:
            raise SqlFault(UNKNOWN_FORMAT, f"Unknown format {statement.format}.")
        lane = self._readers if statement.read_only else self._writers
        return await lane.run(self._run, statement)

    def localised(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The settings with a format schema that they carry as text put into a file of ours.

        The engine would cache such a schema in the folder that its process happened to start in.
        """
        text = settings.get("format_schema", "")
        if settings.get("format_schema_source") != "string" or not text:
            return dict(settings)
        path = self._schemas / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.proto"
        if not path.exists():
            self._schemas.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{new_id()}")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)  # whole or not at all, whoever else writes it
        return {**settings, "format_schema_source": "file", "format_schema": str(path.resolve())}

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        try:
            await self.run(Statement(sql.encode(), parameters=_escaped(parameters or {})))
        except SqlFault as fault:
            raise Invalid(fault.message, code=fault.code) from fault

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        statement = Statement(sql.encode(), "JSONEachRow", _escaped(parameters or {}))
        try:
            result = await self.run(statement)
        except SqlFault as fault:
            raise Invalid(fault.message, code=fault.code) from fault
        return [orjson.loads(line) for line in result.data.splitlines()]

    def _run(self, statement: Statement) -> Result:
        try:
            connection: Any = chdb.connect(str(self._folder))
            try:
                for sql in _session(statement):
                    connection.query(sql)
                with self._whole(statement) as text:
                    answer = connection.query(
                        text, statement.format, params=dict(statement.parameters)
                    )
                return _result(answer)
            finally:
                connection.close()
        except RuntimeError as error:  # ChdbError is one, and so is what the extension raises
            raise fault_of(str(error)) from error
        except UnicodeDecodeError as error:  # what the engine said quotes a text that is no UTF-8
            raise fault_of(error.object.decode(errors="replace")) from error

    @contextmanager
    def _whole(self, statement: Statement) -> Iterator[bytes]:
        """The text to run. The rows of an INSERT are in a file, which lasts as long as the text is run.

        Behind their INSERT, in one text, the engine takes a blank line for their end, and drops the rest:
        in protobuf those two bytes are the paragraphs of a prompt, or a length. Its streaming inserts
        take any bytes, but check no constraint (both chdb-core 26.9).
        """
        rows = statement.rows
        if rows is None:
            yield statement.sql
            return
        path = self._blocks / new_id()
        try:
            _write(path, rows.content)
            source = f"FROM INFILE {_literal(str(path.resolve()))} COMPRESSION 'none'"
            yield b" ".join((statement.sql, source.encode(), rows.clause))
        finally:
            path.unlink(missing_ok=True)


class _Lane:
    """A bounded pool of threads with a bounded queue before it."""

    def __init__(self, threads: int, waiting: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._capacity = threads + waiting
        self._inside = 0

    async def run(self, call: Callable[[Statement], Result], statement: Statement) -> Result:
        if self._inside >= self._capacity:
            raise SqlFault(
                TOO_MANY_SIMULTANEOUS_QUERIES, f"More than {self._capacity} statements at once."
            )
        self._inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, call, statement)
        finally:
            self._inside -= 1

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SqlFault(NOT_ENOUGH_SPACE, f"A block cannot be written: {error.strerror}.") from error


def _session(statement: Statement) -> list[str]:
    """The statements that prepare a session: the settings, then the lock that lets none follow."""
    for name in statement.settings:
        if not _SETTING_NAME.fullmatch(name):
            raise SqlFault(BAD_ARGUMENTS, f"'{name}' is not the name of a setting.")
    pairs = [f"{name} = {_literal(value)}" for name, value in statement.settings.items()]
    place = [f"USE {_quoted(statement.database)}"] if statement.database != "default" else []
    lock = ["SET readonly = 1"] if statement.read_only else []
    return place + ([f"SET {', '.join(pairs)}"] if pairs else []) + lock


def _quoted(name: str) -> str:
    return "`" + name.translate(_ESCAPES).replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.translate(_ESCAPES).replace("'", "\\'") + "'"


def _escaped(parameters: Mapping[str, Value]) -> dict[str, str]:
    return {name: str(value).translate(_ESCAPES) for name, value in parameters.items()}


def _result(answer: Any) -> Result:
    return Result(
        data=answer.bytes(),
        result_rows=answer.rows_read(),
        read_rows=answer.storage_rows_read(),
        read_bytes=answer.storage_bytes_read(),
        written_rows=answer.rows_written(),
        written_bytes=answer.bytes_written(),
        elapsed_seconds=answer.elapsed(),
    )
