"""SHOW, DESCRIBE and EXISTS, as BI tools ask them: each becomes a query that the gate then reads like any other."""

import re

_NAME = r"(?:`?leeway`?\s*\.\s*)?[`\"]?(\w+)[`\"]?"
_SHOW_TABLES = re.compile(
    r"SHOW\s+(?:FULL\s+)?TABLES(?:\s+(?:FROM|IN)\s+[`\"]?leeway[`\"]?)?"
    r"(?:\s+(NOT\s+)?(I?LIKE)\s+('[\w%]*'))?",
    re.IGNORECASE,
)
_SHOW_DATABASES = re.compile(r"SHOW\s+(?:DATABASES|SCHEMAS)", re.IGNORECASE)
_DESCRIBE = re.compile(rf"(?:DESCRIBE|DESC)\s+(?:TABLE\s+)?{_NAME}", re.IGNORECASE)
_EXISTS = re.compile(rf"EXISTS\s+(?:TABLE\s+|VIEW\s+)?{_NAME}", re.IGNORECASE)
_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*\Z", re.IGNORECASE)


def as_query(sql: str) -> str:
    """The query that answers a catalogue statement; any other text as it is."""
    tail = _FORMAT.search(sql)
    statement = (sql[: tail.start()] if tail else sql).strip()
    query = _translation(statement)
    if query is None:
        return sql
    return f"{query} FORMAT {tail[1]}" if tail else query


def _translation(statement: str) -> str | None:
    if _SHOW_DATABASES.fullmatch(statement):
        return "SELECT name FROM system.databases ORDER BY name"
    if found := _SHOW_TABLES.fullmatch(statement):
        like = f" WHERE name {found[1] or ''}{found[2]} {found[3]}" if found[2] else ""
        return f"SELECT name FROM system.tables{like} ORDER BY name"  # noqa: S608 (\w and % only)
    if found := _DESCRIBE.fullmatch(statement):
        return (
            "SELECT name, type, default_kind AS default_type, default_expression, comment,"  # noqa: S608 (\w only)
            " '' AS codec_expression, '' AS ttl_expression"
            f" FROM system.columns WHERE table = '{found[1]}' ORDER BY position"
        )
    if found := _EXISTS.fullmatch(statement):
        return f"SELECT count() AS result FROM system.tables WHERE name = '{found[1]}'"  # noqa: S608
    return None
