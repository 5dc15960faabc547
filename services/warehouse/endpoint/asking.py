"""From an HTTP request to what is asked: the SQL, its parameters, its settings and who asks."""

import asyncio
import base64
import binascii
import re
import uuid
from dataclasses import dataclass, field

from starlette.requests import Request

from services.warehouse.endpoint.compression import unpack
from services.warehouse.endpoint.form import LIMITS, read_form
from services.warehouse.faults import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    SqlFault,
)
from services.warehouse.words import words
from shared.errors import Invalid
from shared.http import read_body

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024

_QUERY_ID = re.compile(r"[\x21-\x7e]{1,128}")

# What steers ClickHouse's HTTP server, not a query: accepted, and without effect on the answer here.
_PROTOCOL = words(
    """
    add_http_cors_header buffer_size cancel_http_readonly_queries_on_client_close client_protocol_version close_session
    decompress http_headers_progress_interval_ms http_write_exception_in_output_format log_comment quota_key role
    send_progress_in_http_headers session_check session_id session_timeout stacktrace wait_end_of_query
    """
)
_OWN = words("database default_format enable_http_compression password query query_id user")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: `sql` is the query of the address and the body behind it, as ClickHouse joins them."""

    sql: bytes
    query_id: str
    database: str
    default_format: str
    accepted_encoding: str
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the request says it is from."""

    user: str
    password: str


def credentials_of(request: Request) -> Credentials | None:
    """The one pair of name and password in a request, None when it has none. Raises `SqlFault` for two."""
    query, headers = request.query_params, request.headers
    given = []
    if "authorization" in headers:
        given.append(_basic(headers["authorization"]))
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        user = headers.get("x-clickhouse-user", "default")
        given.append(Credentials(user, headers.get("x-clickhouse-key", "")))
    if "user" in query or "password" in query:
        given.append(Credentials(query.get("user", "default"), query.get("password", "")))
    if len(given) > 1:
        raise SqlFault(
            AUTHENTICATION_FAILED,
            "Invalid authentication: use either Basic, the X-ClickHouse-User and -Key headers, or the address.",
        )
    return given[0] if given else None


def _basic(header: str) -> Credentials:
    scheme, _, value = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as fault:
        raise SqlFault(AUTHENTICATION_FAILED, "The Authorization header is damaged.") from fault
    if scheme.lower() != "basic" or not colon:
        raise SqlFault(AUTHENTICATION_FAILED, f"Expected Basic authentication, found {scheme}.")
    return Credentials(user, password)


async def read_asked(request: Request) -> Asked:
    """Read the request, its body bounded. Raises `SqlFault`."""
    query = request.query_params
    if query.get("compress") == "1" or query.get("decompress") == "1":
        raise SqlFault(
            NOT_IMPLEMENTED,
            "ClickHouse's own block compression is not offered: use enable_http_compression=1 and Content-Encoding.",
        )
    sql, bound = await _said(request)
    encoding = request.headers.get("accept-encoding", "")
    return Asked(
        sql=sql,
        query_id=_query_id(query.get("query_id", "")),
        database=query.get("database") or request.headers.get("x-clickhouse-database", ""),
        default_format=query.get("default_format")
        or request.headers.get("x-clickhouse-format", ""),
        accepted_encoding=encoding if query.get("enable_http_compression") == "1" else "",
        parameters={k.removeprefix("param_"): v for k, v in bound.items()},
        settings={k: v for k, v in query.items() if _is_setting(k)},
    )


async def _said(request: Request) -> tuple[bytes, dict[str, str]]:
    """The query, and what is bound in it: by the address, and by the body behind it or the form in it."""
    query = request.query_params
    said = {k: v for k, v in query.items() if k == "query" or k.startswith("param_")}
    kind, body = request.headers.get("content-type", ""), b""
    if kind.lower().startswith("multipart/"):
        packed = await _body(request, LIMITS.form_bytes, LIMITS.form_bytes)
        form = await asyncio.to_thread(read_form, kind, packed)
        if twice := sorted(said.keys() & form.keys()):
            raise SqlFault(BAD_ARGUMENTS, f"Both the address and the form have {twice[0]}.")
        said |= form
    else:
        body = await _body(request, MAX_BODY_BYTES, MAX_UNPACKED_BYTES)
    head = said.pop("query", "").encode()
    return head + b"\n" + body if head and body else head or body, said


def _query_id(given: str) -> str:
    """The caller's own, or a new one; it is sent back as a header."""
    if given and _QUERY_ID.fullmatch(given) is None:
        raise SqlFault(BAD_ARGUMENTS, "A query_id is 1 to 128 visible ASCII characters.")
    return given or str(uuid.uuid4())


def _is_setting(name: str) -> bool:
    ours = name in _OWN or name in _PROTOCOL or name == "compress"
    return not ours and not name.startswith("param_")


async def _body(request: Request, limit: int, unpacked_limit: int) -> bytes:
    try:
        packed = await read_body(request, limit)
    except Invalid as fault:
        raise SqlFault(QUERY_IS_TOO_LARGE, fault.message) from fault
    encoding = request.headers.get("content-encoding", "")
    if not encoding:
        return packed
    return await asyncio.to_thread(unpack, packed, encoding, unpacked_limit)
