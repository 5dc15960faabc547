"""What integration tests stand on: one PostgreSQL server and one Kafka broker, started when first asked for."""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.local.broker import Broker, a_broker
from services.local.postgres import a_postgres
from shared.database import sqlite_url

NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[NewDatabase]:
    """Makes empty databases of a server that lives as long as the tests, and returns their URLs."""
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory(prefix="leeway-") as name, asyncio.Runner() as runner:
        Path(name).chmod(0o755)  # where the tests run as root, the server is another user
        life = a_postgres(Path(name))
        server = runner.run(life.__aenter__())
        yield lambda: runner.run(_create_database(server.url, f"test_{next(numbers)}"))
        runner.run(life.__aexit__(None, None, None))


async def _create_database(url: str, name: str) -> str:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def control_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty control database, of each kind in turn."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "control.db")
    new_database: NewDatabase = request.getfixturevalue("postgresql")
    return new_database()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker that lives as long as the tests; each test names its topics with a prefix."""
    with a_broker(tmp_path_factory.mktemp("broker") / "data") as running:
        yield running
