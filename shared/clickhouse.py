"""ClickHouse over HTTP, in both modes: questions in SQL, inserts of protobuf bytes as they are."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, Error

from shared.errors import Invalid, Unavailable
from shared.lifecycle import ClickHouseAddress

# What passes by itself, or once somebody has made room: the store is busy, merging, starting, short of memory or
# of disk; the next try may succeed.
_TRANSIENT = frozenset(
    {
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        76,  # CANNOT_OPEN_FILE
        159,  # TIMEOUT_EXCEEDED
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        286,  # UNKNOWN_STATUS_OF_INSERT
        319,  # UNKNOWN_STATUS_OF_INSERT (replicated)
        394,  # QUERY_WAS_CANCELLED
        999,  # KEEPER_EXCEPTION
    }
)

Value = str | int | float | bool | None | Sequence[str]
Row = dict[str, Any]  # a column's Python value follows from its ClickHouse type


@dataclass(frozen=True, slots=True)
class ProtobufSchema:
    """The text of a .proto file and the name of the message in it that a block is made of."""

    text: str
    message: str


class Statements(Protocol):
    """A place to run SQL: a server over HTTP, or the engine in this process."""

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        """Run a statement that returns no rows. Raises `Invalid` or `Unavailable`."""
        ...

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        """The rows of a query, as dictionaries; `{name:Type}` in the SQL binds parameter `name`."""
        ...


class ClickHouse:
    """A client that connects at its first question; a process may start before the store is up.

    Times come back aware in UTC, decimals as `Decimal`. What the store refuses raises `Invalid` (code
    `clickhouse_<number>`); what may work later raises `Unavailable`.
    """

    def __init__(self, address: ClickHouseAddress, *, timeout_seconds: int = 30) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        with _mapped():
            client = await self._connected()
            result = await client.query(sql, parameters=dict(parameters or {}))
            return list(result.named_results())

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        with _mapped():
            client = await self._connected()
            await client.command(sql, parameters=dict(parameters or {}))

    async def insert(self, table: str, block: bytes, schema: ProtobufSchema, token: str) -> None:
        """Store a block of length-delimited messages, once for each `token` that the table remembers.

        The block is one insert: all of its rows are stored or none is. A second block with the same
        token is taken for the first and dropped, whatever is in it: the token must name the content.
        """
        settings = {
            "async_insert": 0,
            "deduplicate_insert": "enable",  # since 26.2 the one that decides; insert_deduplicate does not
            "insert_deduplication_token": token,
            "input_format_skip_unknown_fields": 0,
            "format_schema_source": "string",
            "format_schema": schema.text,
            "format_schema_message_name": schema.message,
        }
        with _mapped():
            client = await self._connected()
            await client.raw_insert(table, None, block, settings=settings, fmt="Protobuf")

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                at = urlsplit(self._address.url)
                self._client = await create_async_client(
                    host=at.hostname,
                    port=at.port,
                    interface=at.scheme,
                    username=self._address.user,
                    password=self._address.password,
                    connect_timeout=5,
                    send_receive_timeout=self._timeout_seconds,
                    query_retries=0,
                    compress=False,
                    tz_mode="aware",
                    show_clickhouse_errors="scrub",
                )
            return self._client


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as fault:
        raise Unavailable(f"ClickHouse cannot be reached: {fault}") from fault
    except Error as fault:
        raise _error(fault) from fault
    except ClickHouseError as fault:
        raise Invalid(f"ClickHouse's client refused: {fault}") from fault


def _error(fault: Error) -> Unavailable | Invalid:
    # Without a code it is no verdict of ClickHouse's: its server, or something before it, is at fault.
    if fault.code in _TRANSIENT or (fault.code is None and isinstance(fault, DatabaseError)):
        return Unavailable(f"ClickHouse cannot do it now: {fault}")
    return Invalid(str(fault), code=f"clickhouse_{fault.code or 0}")
