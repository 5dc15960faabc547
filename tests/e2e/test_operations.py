"""What a running installation tells of itself: every process, every worker, every request."""

import json
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.stack import Stack, a_stack

ASKED = 20


async def test_the_numbers_of_every_worker_add_up(tmp_path: Path) -> None:
    async with a_stack(tmp_path, LEEWAY_EDGE_WORKERS="2") as stack:
        targets = operations_of(tmp_path / "data" / "operations")
        headers = {"authorization": f"Bearer {stack.ready['api_key']}"}
        for _ in range(ASKED):  # a connection each: the workers share them as they please
            async with aiohttp.request(
                "GET", f"{stack.ready['url']}/v1/models", headers=headers
            ) as r:
                assert r.status == 200
        await ask_sql(stack)

        counted = {process: await requests_of(target) for process, target in targets.items()}

    assert sorted(counted) == ["core", "edge-0", "edge-1", "warehouse"]
    edges = counted["edge-0"].get("/v1/models", 0) + counted["edge-1"].get("/v1/models", 0)
    assert edges == ASKED
    assert counted["warehouse"]["/"] >= 1


async def ask_sql(stack: Stack) -> None:
    login = {
        "x-clickhouse-user": stack.ready["sql_user"],
        "x-clickhouse-key": stack.ready["sql_password"],
    }
    url = f"{stack.ready['sql_url']}/"
    async with aiohttp.request("POST", url, data=b"SELECT 1", headers=login) as response:
        assert response.status == 200


def operations_of(folder: Path) -> dict[str, str]:
    """Where each process tells its numbers, read as Prometheus reads it."""
    groups = [group for file in folder.glob("*.json") for group in json.loads(file.read_text())]
    return {group["labels"]["process"]: group["targets"][0] for group in groups}


async def requests_of(target: str) -> dict[str, float]:
    """How many requests a process answered well, by route."""
    async with aiohttp.request("GET", f"http://{target}/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    samples = [sample for family in families for sample in family.samples]
    return {
        sample.labels["route"]: sample.value
        for sample in samples
        if sample.name == "leeway_http_requests_total" and sample.labels["status"] == "2xx"
    }
