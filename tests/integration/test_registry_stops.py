"""The kill switch over HTTP: what operators stop is in everyone's view, and stays until it is started."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.config import Config
from tests.registry import Installation, bearer

STOPS = "/v1/registry/stops"


class Operators:
    """A running registry, asked with the operators' key."""

    def __init__(self, installation: Installation, client: httpx.AsyncClient, token: str) -> None:
        self.installation = installation
        self._client = client
        self._token = token

    async def ask(self, method: str, path: str = STOPS, body: object = None) -> httpx.Response:
        return await self._client.request(method, path, headers=bearer(self._token), json=body)

    async def told(self) -> dict[str, str]:
        """What is stopped, as every process sees it."""
        await self.installation.tell()
        return dict(self.installation.live.stops)


@pytest.fixture
async def operators(tmp_path: Path, control_url: str) -> AsyncIterator[Operators]:
    installation = Installation(tmp_path, control_url)
    seeded = await installation.prepare(Config())
    await installation.tell()
    token = next(key.token for key in seeded.keys if key.tenant == "leeway")
    async with installation.http() as client:
        yield Operators(installation, client, token)


async def test_a_stop_is_told_and_so_is_its_end(operators: Operators) -> None:
    stop = {"what": "model", "name": "gpt-4o", "reason": "under review"}

    made = await operators.ask("POST", body=stop)
    stopped = await operators.told()
    ended = await operators.ask("DELETE", f"{STOPS}/model/gpt-4o")

    assert made.status_code == 201
    assert stopped == {"model/gpt-4o": "under review"}
    assert ended.status_code == 200
    assert await operators.told() == {}
    assert (await operators.ask("GET")).json()["data"] == []


async def test_everything_may_be_stopped_and_a_name_may_have_slashes(operators: Operators) -> None:
    await operators.ask("POST", body={"what": "all"})
    await operators.ask("POST", body={"what": "provider", "name": "eu/azure"})

    assert await operators.told() == {"all": "", "provider/eu/azure": ""}
    assert (await operators.ask("DELETE", f"{STOPS}/provider/eu/azure")).status_code == 200
    assert (await operators.ask("DELETE", f"{STOPS}/all")).status_code == 200


async def test_a_stop_outlives_the_process(operators: Operators) -> None:
    await operators.ask("POST", body={"what": "all", "reason": "incident 7"})

    await operators.installation.prepare(Config())

    assert await operators.told() == {"all": "incident 7"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"what": "everything"},
        {"what": "all", "name": "acme"},
        {"what": "tenant"},
        {"what": "tenant", "name": "a b"},
    ],
)
async def test_a_stop_of_nothing_is_refused(operators: Operators, body: object) -> None:
    assert (await operators.ask("POST", body=body)).status_code == 400


async def test_what_is_not_stopped_cannot_be_started(operators: Operators) -> None:
    assert (await operators.ask("DELETE", f"{STOPS}/all")).status_code == 404
