"""The warehouse as `leeway up` starts it, in a process of its own, and what it has found."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.clickhouse import ClickHouse
from shared.lifecycle import ClickHouseAddress
from shared.secrets_folder import SecretsFolder

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse that runs: its process, and where its SQL is asked."""

    pid: int
    address: ClickHouseAddress
    clickhouse: ClickHouse

    async def until_found(self, count: int) -> None:
        """Return when so many facts are queryable."""
        found = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while found < count:
                await asyncio.sleep(LOOK_SECONDS)
                found = await self._number("SELECT sum(facts) AS n FROM leeway.stored")

    async def stored_once(self, count: int) -> bool:
        """Whether there are so many interactions, each of them once."""
        rows = "SELECT count() AS n FROM leeway.interactions"
        ids = "SELECT uniqExact(interaction_id) AS n FROM leeway.interactions_v1"
        return await self._number(rows) == count and await self._number(ids) == count

    async def _number(self, sql: str) -> int:
        return int((await self.clickhouse.query(sql))[0]["n"])


@asynccontextmanager
async def a_warehouse(data: Path) -> AsyncIterator[Warehouse]:
    """The process `warehouse`, as the supervisor starts it."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready, told = os.pipe()
    port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "warehouse", "--services", "warehouse"),
        *("--ready-fd", str(told), "--sql-port", str(port)),
        pass_fds=(told, listener.fileno()),
        env={
            **os.environ,
            "LEEWAY_DATA": str(data),
            "LEEWAY_WAREHOUSE_LISTEN_FD": str(listener.fileno()),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    os.close(told)
    await asyncio.to_thread(os.read, ready, 1)
    secrets = SecretsFolder(data)
    address = ClickHouseAddress(
        f"http://127.0.0.1:{port}", secrets.operator_user, secrets.operator_password()
    )
    try:
        async with ClickHouse(address) as clickhouse:
            yield Warehouse(process.pid, address, clickhouse)
    finally:
        process.terminate()
        await process.wait()
        listener.close()
        os.close(ready)
