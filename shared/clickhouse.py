"""ClickHouse over HTTP, in both modes: questions in SQL, inserts of protobuf bytes as they are."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
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

# What of a statement passes by itself, or once somebody has made room: the store is busy, merging, starting, short of
# memory or of disk, or out of reach of its other servers. Whatever else it refuses, it would refuse again.
_PASSING = frozenset(
    {
        32,  # ATTEMPT_TO_READ_AFTER_EOF: another server's connection broke
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        76,  # CANNOT_OPEN_FILE
        95,  # CANNOT_READ_FROM_SOCKET
        96,  # CANNOT_WRITE_TO_SOCKET
        159,  # TIMEOUT_EXCEEDED
        173,  # CANNOT_ALLOCATE_MEMORY
        198,  # DNS_ERROR
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        254,  # NO_ACTIVE_REPLICAS
        265,  # NO_AVAILABLE_REPLICA
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        297,  # SHARD_HAS_NO_CONNECTIONS
        319,  # UNKNOWN_STATUS_OF_INSERT
        364,  # RECEIVED_ERROR_TOO_MANY_REQUESTS
        369,  # ALL_REPLICAS_ARE_STALE
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        499,  # S3_ERROR
        519,  # NO_REMOTE_SHARD_AVAILABLE
        733,  # TABLE_IS_BEING_RESTARTED
        745,  # SERVER_OVERLOADED
        749,  # TCP_CONNECTION_LIMIT_REACHED
        762,  # HTTP_CONNECTION_LIMIT_REACHED
        904,  # TOO_MANY_UNAVAILABLE_SHARDS
        999,  # KEEPER_EXCEPTION
    }
)

# Who is at fault for a refused block decides whether facts are buried, so that it is the other way round: only these
# blame a record, and the store is to blame for all others, those of later versions among them.
_OF_A_VALUE = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        69,  # ARGUMENT_OUT_OF_BOUND: a decimal of too many digits
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        436,  # PROTOBUF_BAD_CAST
        444,  # UNKNOWN_PROTOBUF_FORMAT
        469,  # VIOLATED_CONSTRAINT
    }
)
# A server says the same of its own files and connections: these count where it reads the block, or makes a column
# of a record's values.
_OF_ITS_BYTES = frozenset(
    {
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
    }
)
_READING = ("While executing ProtobufRowInputFormat", "while executing 'FUNCTION ")

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

    Times come back aware in UTC, decimals as `Decimal`. A statement that the store refuses raises `Invalid` (code
    `clickhouse_<number>`), and one that may work later `Unavailable`.
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
        with _mapped(_of_statement):
            client = await self._connected()
            result = await client.query(sql, parameters=dict(parameters or {}))
            return list(result.named_results())

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        with _mapped(_of_statement):
            client = await self._connected()
            await client.command(sql, parameters=dict(parameters or {}))

    async def insert(self, table: str, block: bytes, schema: ProtobufSchema, token: str) -> None:
        """Store a block of length-delimited messages, once for each `token` that the table remembers.

        The block is one insert: all of its rows are stored or none is. A second block with the same
        token is taken for the first and dropped, whatever is in it: the token must name the content.
        Raises `Invalid` when a record in it is at fault, `Unavailable` for everything else.
        """
        settings = {
            "async_insert": 0,
            "deduplicate_insert": "enable",  # since 26.2 the one that decides; insert_deduplicate does not
            "insert_deduplication_token": token,
            "input_format_skip_unknown_fields": 0,
            # To look for repeats in each block costs two fifths of an insert, and there are none: merges do.
            "optimize_on_insert": 0,
            "format_schema_source": "string",
            "format_schema": schema.text,
            "format_schema_message_name": schema.message,
        }
        with _mapped(_of_insert):
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
def _mapped(error: Callable[[ClickHouseError], Unavailable | Invalid]) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as fault:
        raise Unavailable(f"ClickHouse cannot be reached: {fault}") from fault
    except ClickHouseError as fault:
        raise error(fault) from fault


def _of_statement(fault: ClickHouseError) -> Unavailable | Invalid:
    code = _code(fault)
    # Without a code it is no verdict of ClickHouse's: its server, or something before it, is at fault.
    if code in _PASSING or (code == 0 and isinstance(fault, DatabaseError)):
        return Unavailable(f"ClickHouse cannot do it now: {fault}")
    return Invalid(str(fault), code=f"clickhouse_{code}")


def _of_insert(fault: ClickHouseError) -> Unavailable | Invalid:
    code = _code(fault)
    said = str(fault)
    reading = any(where in said for where in _READING)
    if code in _OF_A_VALUE or (code in _OF_ITS_BYTES and reading):
        return Invalid(said, code=f"clickhouse_{code}")
    return Unavailable(f"ClickHouse did not take a block: {fault}")


def _code(fault: ClickHouseError) -> int:
    """ClickHouse's number of it, 0 where there is none."""
    return (fault.code or 0) if isinstance(fault, Error) else 0
