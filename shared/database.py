"""The control plane's database: SQLite in a laptop's data folder, PostgreSQL in a cluster, one SQL for both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.errors import Unavailable

MIGRATIONS = Path(__file__).parents[1] / "infra" / "postgres"
BUSY_SECONDS = 5
DEADLINE_SECONDS = 10

_TRY_AGAIN = "The control database does not answer; try again."
_PASSING = ("08", "40", "53", "55", "57")  # connection, rollback, resources, lock, shutdown

_WRITER_LOCK = 0x1EE_3A7  # any number that no other user of this PostgreSQL takes
_TAKE_WRITER_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
_SET_PATIENCE = text("SELECT set_config('lock_timeout', :patience, true)")


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


class Database:
    """An engine whose writers go one after another, so that what they number is in order.

    The control plane is written rarely; readers never wait for a writer.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._engine = create_async_engine(url)
        self._busy_seconds = busy_seconds
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self._engine.sync_engine, "connect", self._prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the database. Raises `Unavailable`."""
        async with _deadline(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, alone among writers: kept when the block ends, undone when it raises.

        Raises `Unavailable` when the lock was not to be had in time; nothing was written then.
        """
        async with _deadline(), self._engine.connect() as connection:
            await connection.execution_options(writing=True)
            async with connection.begin():
                await self._take_turn(connection)
                yield connection

    async def migrate(self) -> None:
        """Bring the tables to the newest version; does nothing when they are there.

        It may take its time once it has its turn. Raises `Unavailable` when it got none.
        """
        async with _mapped(), self._engine.connect() as connection:
            await connection.execution_options(writing=True)
            async with connection.begin():
                await self._take_turn(connection)
                await connection.run_sync(_upgrade)

    async def _take_turn(self, connection: AsyncConnection) -> None:
        """Wait for the writers before; SQLite's transaction has done so by beginning."""
        if self._sqlite:
            return
        patience = f"{round(self._busy_seconds * 1000)}ms"
        await connection.execute(_SET_PATIENCE, {"patience": patience})
        await connection.execute(_TAKE_WRITER_LOCK, {"lock": _WRITER_LOCK})

    def _prepare_sqlite(self, connection: Any, _: object) -> None:
        """Set what SQLite forgets; and begin transactions ourselves, since the driver begins them late."""
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(self._busy_seconds * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    async with _mapped(), asyncio.timeout(DEADLINE_SECONDS):
        yield


@asynccontextmanager
async def _mapped() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not _passes(error):
            raise
        raise Unavailable(_TRY_AGAIN) from error
    except OSError as error:  # a TimeoutError is one
        raise Unavailable(_TRY_AGAIN) from error


def _passes(error: DBAPIError) -> bool:
    """Whether the same statement can work later: the connection, the server or a lock failed it.

    The classes are those of PostgreSQL's manual, appendix A.
    """
    state = getattr(error.orig, "sqlstate", None) or ""
    kinds = (OperationalError, InterfaceError)
    return isinstance(error, kinds) or error.connection_invalidated or state[:2] in _PASSING


def _upgrade(connection: Connection) -> None:
    if _version(connection) == _newest_version():
        return
    # Imported only when there is something to do: it takes a quarter of a second of every start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _newest_version() -> str:
    """The number of the last migration, with which its file's name begins."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: a reader that turns writer halfway would fail, not wait."""
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
