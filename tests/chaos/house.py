"""A whole installation, as its users start it, at a trial's mercy."""

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.lifecycle import ClickHouseAddress
from shared.log.folder import FolderLog
from shared.log.letters import FolderLetters, Letter
from shared.secrets_folder import SecretsFolder
from tests.chaos.report import Trial
from tests.stack import Stack, a_stack

_JSON = {"content-type": "application/json"}
LOOK_SECONDS, PATIENCE_SECONDS = 0.02, 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door said; status 0 when it said nothing."""

    status: int
    body: Any = None
    interaction_id: str = ""


@dataclass(slots=True)
class House:
    """`leeway up`, a client of its doors, and the operators' SQL."""

    stack: Stack
    trial: Trial
    http: aiohttp.ClientSession
    client: ClickHouse

    @property
    def log_folder(self) -> Path:
        """Where the outboxes lie."""
        return self.stack.folder / "data" / "log"

    def pid(self, name: str) -> int:
        """The process of that name now; 0 where it does not serve."""
        return int(json.loads((self.stack.folder / "ready.json").read_text())["pids"].get(name, 0))

    async def post(self, path: str, body: object) -> Answer:
        """Send JSON once. What breaks off was not answered."""
        return await self.send(path, json.dumps(body).encode())

    async def send(self, path: str, content: bytes, encoding: str = "identity") -> Answer:
        """Send the bytes of JSON once, perhaps compressed."""
        url, headers = f"{self.stack.ready['url']}{path}", {**_JSON, "content-encoding": encoding}
        try:
            async with self.http.post(url, data=io.BytesIO(content), headers=headers) as reply:
                content = await reply.read()
                told = reply.headers.get("x-leeway-interaction-id", "")
                return Answer(reply.status, _parsed(content), told)
        except (aiohttp.ClientError, ConnectionError):
            return Answer(0)

    async def insist(self, path: str, body: object) -> Answer:
        """Send the same until it is answered otherwise than by a 503, or by nothing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := await self.post(path, body)).status in {0, 503}:
            assert time.monotonic() < deadline, "the doors stay closed"
            await asyncio.sleep(LOOK_SECONDS)
        return answer

    async def end(self, name: str) -> None:
        """Kill a process, and return when its successor serves."""
        before = self.pid(name)
        self.trial.kill(name)
        os.kill(before, signal.SIGKILL)
        with self.trial.recovery():
            await self.comes(lambda: self.pid(name) not in {0, before})

    async def comes(self, holds: Callable[[], bool]) -> None:
        """Wait for something outside this process."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, "it does not come"
            await asyncio.sleep(LOOK_SECONDS)

    async def comes_async(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """The same, where it has to be asked for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await holds():
            assert time.monotonic() < deadline, "it does not come"
            await asyncio.sleep(LOOK_SECONDS)

    def passed(self, group: str) -> Mapping[str, int]:
        """How far a group has come in each source."""
        log = FolderLog(self.log_folder)
        positions: dict[str, int] = {}
        for reader in log.readers():
            positions.update(reader.positions().get(group, {}))
        log.close()
        return positions

    def waiting(self, group: str, producer: str) -> int:
        """How many offsets of an outbox a group has still to pass."""
        passed, log = self.passed(group), FolderLog(self.log_folder)
        own = next(reader for reader in log.readers() if reader.producer == producer)
        left = own.end - max(1, passed.get(own.source, 1))
        log.close()
        return left

    async def letters(self) -> Sequence[Letter]:
        """Every dead letter."""
        return await FolderLetters(self.log_folder, SystemClock()).read()

    async def metric(self, process: str, name: str) -> float:
        """The sum of a metric of a process, over its labels, as Prometheus would scrape it."""
        path = self.stack.folder / "data" / "operations" / f"{process}.json"
        target = json.loads(path.read_text())[0]["targets"][0]
        async with self.http.get(f"http://{target}/metrics") as reply:
            lines = (await reply.text()).splitlines()
        values = [line.rsplit(" ", 1)[1] for line in lines if line.partition("{")[0] == name]
        return sum(map(float, values))

    async def books_add_up(self) -> bool:
        """What `leeway doctor accounting` says."""
        sql = self.stack.ready["sql_url"]
        code, _ = await self.stack.leeway("doctor", "accounting", "--json", "--url", sql)
        return code == 0


@asynccontextmanager
async def a_house(folder: Path, trial: Trial, **settings: str) -> AsyncIterator[House]:
    """An installation of the trial's own, with more settings of its environment."""
    async with a_stack(folder, **settings) as stack:
        secrets = SecretsFolder(folder / "data")
        operator = ClickHouseAddress(
            stack.ready["sql_url"], secrets.operator_user, secrets.operator_password()
        )
        key = {"x-api-key": stack.ready["api_key"]}
        patience = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(headers=key, timeout=patience) as http,
            ClickHouse(operator) as client,
        ):
            yield House(stack, trial, http, client)


def a_call(text: str = "Hello.", *, model: str = "demo", **more: object) -> dict[str, object]:
    """The body of a chat."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def an_item(interaction_id: str, text: str = "Hello.") -> dict[str, object]:
    """An item of POST /v1/interactions."""
    return {"id": interaction_id, "kind": "chat", "model": "demo", "input": text, "output": "Yes."}


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
