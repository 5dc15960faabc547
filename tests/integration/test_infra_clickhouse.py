"""What a ClickHouse server is told, read by the engine: it parses every statement, and knows every setting.

The engine in this process has no access control, no Keeper and no second server: the statements of
access and of clusters are parsed here, and not executed.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from services.warehouse.access import ANALYSTS, access
from services.warehouse.endpoint.limits import CEILINGS
from services.warehouse.engine import Engine
from services.warehouse.gate.tables import VIEWS
from services.warehouse.replicated import Replicated, replicated
from services.warehouse.settings import Settings
from shared.clickhouse import Row
from shared.errors import Invalid
from shared.migrations import migrate, read_migrations
from tests.deployment import INFRA

SERVER = INFRA / "clickhouse" / "server"
CLUSTER = "leeway"

# Elements of a server's configuration that hold others, and are no setting by themselves.
_SECTIONS = {
    "access_control_improvements",
    "logger",
    "merge_tree",
    "prometheus",
    "send_crash_reports",
}
_OWN_PORTS = {"listen_host", "mysql_port", "postgresql_port"}


class Recorder:
    """A `Statements` that keeps what it is told, and has nothing."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    async def command(self, sql: str, parameters: object = None) -> None:
        self.commands.append(sql)

    async def query(self, sql: str, parameters: object = None) -> list[Row]:
        return []


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "store") as engine:
        yield engine


async def _of_a_cluster() -> list[str]:
    recorder = Recorder()
    await migrate(Replicated(recorder, CLUSTER), read_migrations(Settings().migrations))
    return recorder.commands


async def _names(engine: Engine, table: str) -> set[str]:
    return {str(row["name"]) for row in await engine.query(f"SELECT name FROM system.{table}")}


def _xml(name: str) -> Element:
    return ElementTree.parse(SERVER / name).getroot()


def _kept_logs() -> Iterator[tuple[str, str]]:
    for element in _xml("config.xml"):
        if element.tag.endswith("_log") and "remove" not in element.attrib:
            yield element.tag, element.findtext("ttl", "")


async def test_the_engine_reads_every_statement_of_a_cluster(engine: Engine) -> None:
    statements = [s for s in await _of_a_cluster() if not s.startswith("INSERT")]

    for statement in statements:
        await engine.query(f"EXPLAIN AST {statement}")
    assert len(statements) > 30
    assert all(f"ON CLUSTER '{CLUSTER}'" in statement for statement in statements)


async def test_on_one_server_the_statements_of_a_cluster_make_the_same_views(
    engine: Engine,
) -> None:
    for statement in await _of_a_cluster():
        if not statement.startswith("INSERT"):
            await engine.command(_on_one_server(statement))

    views = await engine.query(
        "SELECT name FROM system.tables WHERE database = 'leeway' AND engine = 'View'"
    )
    counted = [await engine.query(f"DESCRIBE leeway.{view['name']}") for view in views]
    assert {view["name"] for view in views} == VIEWS
    assert all(counted)


def _on_one_server(statement: str) -> str:
    """A cluster's statement without its replicas; instead of being spread, a table is merged from its one part."""
    single = statement.replace(f" ON CLUSTER '{CLUSTER}'", "")
    single = re.sub(r"Replicated(\w+)\('[^']*', '[^']*'(?:, )?", r"\1(", single)
    return re.sub(
        r"Distributed\('\w+', 'leeway', '(\w+)', .*\)", r"Merge('leeway', '^\1$')", single
    )


def test_a_table_of_a_cluster_is_replicated_and_spread_by_tenant_and_id() -> None:
    statement = (
        "CREATE TABLE IF NOT EXISTS leeway.facts (\n    tenant String,\n    id String\n)\n"
        "ENGINE = ReplacingMergeTree(at)\nPARTITION BY toYYYYMM(at)\nORDER BY (tenant, id, part)\n"
        "SETTINGS non_replicated_deduplication_window = 10000"
    )

    assert list(replicated(statement, "c")) == [
        (
            "CREATE TABLE IF NOT EXISTS leeway.facts_local ON CLUSTER 'c' (\n    tenant String,\n    id String\n)\n"
            "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/leeway/facts', '{replica}', at)\n"
            "PARTITION BY toYYYYMM(at)\nORDER BY (tenant, id, part)\n"
            "SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
        ),
        (
            "CREATE TABLE IF NOT EXISTS leeway.facts ON CLUSTER 'c' AS leeway.facts_local\n"
            "ENGINE = Distributed('c', 'leeway', 'facts_local', cityHash64(tenant, id))"
        ),
    ]


def test_a_statement_of_a_new_kind_is_refused_rather_than_run_on_one_server() -> None:
    with pytest.raises(Invalid, match=r"ALTER TABLE leeway\.usage"):
        replicated("ALTER TABLE leeway.usage ADD COLUMN x String", "c")


async def test_the_engine_reads_every_statement_of_access(engine: Engine) -> None:
    statements = access({"acme": "a password", "be-ta": "another"}, ["gone", "acme"], sharded=True)

    for statement in statements:
        await engine.query(f"EXPLAIN AST {statement}")
    with pytest.raises(Invalid, match="SHOW ROLES"):
        await engine.query(ANALYSTS)


async def test_the_analysts_profile_names_settings_that_exist(engine: Engine) -> None:
    [profile] = [s for s in access({}, []) if "SETTINGS PROFILE" in s]
    settings = re.findall(
        r"(\w+) = ", profile.partition(" SETTINGS ")[2].partition(" SETTINGS ")[2]
    )

    assert set(settings) - await _names(engine, "settings") == set()
    assert set(CEILINGS) < set(settings)


async def test_the_server_is_configured_with_settings_that_exist(engine: Engine) -> None:
    root = _xml("config.xml")
    plain = {e.tag for e in root if not e.tag.endswith("_log")} - _SECTIONS - _OWN_PORTS
    merge_tree = {e.tag for e in root.iterfind("merge_tree/*")}

    assert plain - await _names(engine, "server_settings") == set()
    assert merge_tree - await _names(engine, "merge_tree_settings") == set()


async def test_the_fixed_users_have_profiles_of_settings_that_exist(engine: Engine) -> None:
    root = _xml("users.xml")
    profiles = {profile.tag: profile for profile in root.iterfind("profiles/*")}
    used = {user.findtext("profile") for user in root.iterfind("users/*") if len(user)}
    settings = {e.tag for p in profiles.values() for e in p if e.tag != "constraints"}

    assert used == set(profiles) == {"leeway", "observer"}
    assert settings - await _names(engine, "settings") == set()


async def test_every_system_table_that_is_kept_ends_after_days(engine: Engine) -> None:
    kept = dict(_kept_logs())
    ages = {name: (await engine.query(_age(ttl)))[0]["age"] for name, ttl in kept.items()}

    assert ages == {
        "query_log": 7,
        "part_log": 7,
        "session_log": 14,
        "error_log": 14,
        "crash_log": 14,
        "backup_log": 14,
        "metric_log": 3,
    }


def _age(ttl: str) -> str:
    expression = ttl.removesuffix(" DELETE").replace("event_date", "today()")
    return f"SELECT dateDiff('day', today(), {expression}) AS age"


def test_the_tables_that_flood_a_disk_are_left_out() -> None:
    removed = {e.tag for e in _xml("config.xml") if "remove" in e.attrib}

    assert {"trace_log", "text_log", "processors_profile_log", "asynchronous_metric_log"} < removed


def test_only_leeway_may_make_users_and_nobody_is_without_a_password() -> None:
    users = [user for user in _xml("users.xml").iterfind("users/*") if len(user)]
    passwords = {user.tag: user.find("password") for user in users}

    assert {n: p.get("from_env") for n, p in passwords.items() if p is not None} == {
        "leeway": "LEEWAY_CLICKHOUSE_PASSWORD",
        "observer": "LEEWAY_OBSERVER_PASSWORD",
    }
    assert [u.tag for u in users if u.findtext("access_management") == "1"] == ["leeway"]


def test_who_has_no_row_policy_reads_every_row() -> None:
    improvements = _xml("config.xml").find("access_control_improvements")

    assert improvements is not None
    assert {each.tag: each.text for each in improvements} == {
        "users_without_row_policies_can_read_rows": "true",
        "select_from_system_db_requires_grant": "true",
        "select_from_information_schema_requires_grant": "true",
        "settings_constraints_replace_previous": "true",
    }


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ("deduplicate_insert = 'enable', insert_deduplicate = 0", 1),
        ("deduplicate_insert = 'disable', insert_deduplicate = 1", 2),
    ],
)
async def test_one_setting_says_what_becomes_of_a_repeated_insert(
    engine: Engine, settings: str, kept: int
) -> None:
    await engine.command(
        "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n"
        " SETTINGS non_replicated_deduplication_window = 10"
    )

    for _ in range(2):
        await engine.command(
            f"INSERT INTO t SETTINGS async_insert = 0, insert_deduplication_token = 'a', {settings}"
            " VALUES (1)"
        )

    assert await engine.query("SELECT toInt32(count()) AS kept FROM t") == [{"kept": kept}]


def test_leeways_own_profile_stores_a_repeated_insert_once_and_at_once() -> None:
    told = {e.tag: e.text for e in _xml("users.xml").iterfind("profiles/leeway/*")}

    assert (told["deduplicate_insert"], told["async_insert"]) == ("enable", "0")


def test_the_cluster_has_a_secret_and_the_macros_that_the_tables_name() -> None:
    root = _xml("cluster.xml")

    assert root.find(f"remote_servers/{CLUSTER}/secret") is not None
    assert root.find("interserver_http_credentials/password") is not None
    assert {macro.tag for macro in root.iterfind("macros/*")} == {"shard", "replica"}
    assert root.find("user_directories/replicated/zookeeper_path") is not None
