"""A ClickHouse server made ready: its tables first, then who may read them, and nobody else."""

from collections.abc import Mapping

from services.cli.prepare import prepare_store
from services.warehouse.settings import Settings
from shared.clickhouse import Row, Value


class Server:
    """Takes every statement, and has the users it is said to have."""

    def __init__(self, *users: str) -> None:
        self.statements: list[str] = []
        self._users = users

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        del parameters
        lines = [line for line in sql.splitlines() if not line.startswith("--")]
        self.statements.append(" ".join(" ".join(lines).split()))

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        del parameters
        return [{"user_name": user} for user in self._users] if "role_grants" in sql else []

    def place(self, beginning: str) -> int:
        return next(i for i, sql in enumerate(self.statements) if sql.startswith(beginning))


async def test_the_tables_come_before_the_policies_and_these_before_the_users() -> None:
    server = Server("acme", "gone")

    await prepare_store(server, {"acme": "own", "leeway": "operators' own"}, Settings())

    table = server.place("CREATE TABLE IF NOT EXISTS leeway.interactions")
    policy = server.place("CREATE ROW POLICY OR REPLACE leeway_analyst ON leeway.interactions")
    assert table < policy < server.place("CREATE USER OR REPLACE `acme`")
    assert "DROP USER IF EXISTS `gone`" in server.statements
    assert not any("`leeway`" in sql for sql in server.statements)


async def test_on_a_cluster_every_table_is_made_on_every_server() -> None:
    server = Server()

    await prepare_store(server, {"acme": "own"}, Settings(cluster="main"))

    tables = [sql for sql in server.statements if sql.startswith("CREATE TABLE")]
    assert tables
    assert all("ON CLUSTER 'main'" in sql for sql in tables)
