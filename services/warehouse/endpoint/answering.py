"""From a result, or a fault, to the HTTP response that ClickHouse would give."""

import asyncio

import orjson
from starlette.responses import Response

from services.warehouse.endpoint.asking import Asked
from services.warehouse.endpoint.compression import pack
from services.warehouse.engine import Result
from services.warehouse.faults import SqlFault

_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
}

# The statuses of ClickHouse's HTTP handler (clickhouse.com/docs/interfaces/http), by error number.
_STATUSES = {
    194: 401,  # REQUIRED_PASSWORD
    **dict.fromkeys((192, 193, 497, 516), 403),  # who you are, what you may
    **dict.fromkeys((6, 25, 26, 27, 36, 38, 41, 53, 62, 72, 117, 164, 271, 376, 457, 456), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115), 404),  # UNKNOWN_*
    159: 408,  # TIMEOUT_EXCEEDED
    66: 413,  # QUERY_IS_TOO_LARGE
    48: 501,  # NOT_IMPLEMENTED
    **dict.fromkeys((76, 202, 209, 236), 503),
}


class Answers:
    """Makes responses that name this server as ClickHouse names itself."""

    def __init__(self, version: str, timezone: str) -> None:
        self._version = version
        self._timezone = timezone

    async def result(self, asked: Asked, format_name: str, result: Result) -> Response:
        """The rows, in the format and the encoding that the client accepts."""
        body, encoding = result.data, ""
        if asked.accepted_encoding:
            body, encoding = await asyncio.to_thread(pack, body, asked.accepted_encoding)
        headers = self._headers(asked.query_id) | {
            "X-ClickHouse-Format": format_name,
            "X-ClickHouse-Summary": _summary(result),
        }
        if encoding:
            headers |= {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}
        kind = _CONTENT_TYPES.get(format_name, "text/plain; charset=UTF-8")
        return Response(body, headers=headers, media_type=kind)

    def fault(self, fault: SqlFault, query_id: str = "") -> Response:
        """The error as text, as every ClickHouse client expects it."""
        text = (
            f"Code: {fault.number}. DB::Exception: {fault.message} ({fault.name})"
            f" (version {self._version})\n"
        )
        headers = self._headers(query_id) | {"X-ClickHouse-Exception-Code": str(fault.number)}
        status = _STATUSES.get(fault.number, 500)
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="Leeway SQL"'
        return Response(text, status, headers, media_type="text/plain; charset=UTF-8")

    def _headers(self, query_id: str) -> dict[str, str]:
        return {
            "X-ClickHouse-Server-Display-Name": "leeway",
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": self._timezone,
        }


def _summary(result: Result) -> str:
    counts = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "total_rows_to_read": 0,
        "result_rows": result.result_rows,
        "result_bytes": len(result.data),
        "elapsed_ns": round(result.elapsed_seconds * 1e9),
    }
    return orjson.dumps({name: str(count) for name, count in counts.items()}).decode()
