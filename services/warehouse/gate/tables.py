"""What a tenant's user may read: the analyst views, and what clients ask of the system database."""

from services.warehouse.words import words

VIEWS = frozenset(
    {
        "alert_changes_v1",
        "alerts_v1",
        "calls_v1",
        "detections_v1",
        "drift_windows_v1",
        "embeddings_v1",
        "feedback_current_v1",
        "feedback_v1",
        "interactions_v1",
        "scores_v1",
        "spans_v1",
        "usage_v1",
    }
)

TENANT_PARAMETER = "leeway_tenant"

_VIEW_LIST = ", ".join(f"'{view}'" for view in sorted(VIEWS))

# The filter of each system table: a client learns the views' shape, and nothing of what else is stored.
_SYSTEM_FILTERS = {
    "columns": f"database = 'leeway' AND table IN ({_VIEW_LIST})",
    "data_type_families": "1",
    "databases": "name = 'leeway'",
    "formats": "1",
    "functions": "1",
    "numbers": "1",
    "one": "1",
    "settings": "1",
    "tables": f"database = 'leeway' AND name IN ({_VIEW_LIST})",
    "time_zones": "1",
}

# The output formats that need no schema file and no second file.
FORMATS = words(
    """
    Arrow ArrowStream CSV CSVWithNames CSVWithNamesAndTypes JSON JSONColumns JSONColumnsWithMetadata JSONCompact
    JSONCompactColumns JSONCompactStrings JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes JSONEachRow
    JSONLines JSONObjectEachRow JSONStrings JSONStringsEachRow Markdown Native NDJSON Null Parquet Pretty PrettyCompact
    PrettyCompactMonoBlock PrettyCompactNoEscapes PrettyJSONEachRow PrettyMonoBlock PrettyNoEscapes PrettySpace
    RowBinary RowBinaryWithNames RowBinaryWithNamesAndTypes TabSeparated TabSeparatedRaw TabSeparatedRawWithNames
    TabSeparatedRawWithNamesAndTypes TabSeparatedWithNames TabSeparatedWithNamesAndTypes TSKV TSV TSVRaw TSVRawWithNames
    TSVRawWithNamesAndTypes TSVWithNames TSVWithNamesAndTypes Values Vertical XML
    """
)


def scoped(database: str, table: str) -> str | None:
    """The query that stands for a table: its rows of one tenant. None when the table is not to be read.

    >>> scoped("", "usage_v1")
    'SELECT * FROM leeway.usage_v1 WHERE tenant = {leeway_tenant:String}'
    """
    if database in ("", "leeway") and table in VIEWS:
        return f"SELECT * FROM leeway.{table} WHERE tenant = {{{TENANT_PARAMETER}:String}}"  # noqa: S608
    if database == "system" and table in _SYSTEM_FILTERS:
        return f"SELECT * FROM system.{table} WHERE {_SYSTEM_FILTERS[table]}"  # noqa: S608
    return None
