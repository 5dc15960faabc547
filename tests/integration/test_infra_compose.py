"""docker-compose.yml as plain processes: with what it gives them each passes its check, and the doors open over mutual TLS."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from services.local.cluster import Outside, members
from services.settings import Installation
from services.supervisor import open_ports
from shared.clock import SystemClock
from shared.database import sqlite_url
from tests.chaos.line import free_port
from tests.compose import Place
from tests.deployment import PROCESSES

PATIENCE_SECONDS = 180
NOWHERE = "127.0.0.1:9"
HOSTS = {"kafka:9092": NOWHERE, "clickhouse:8123": NOWHERE, "postgres:5432": NOWHERE}
# What only one of the two needs to be told: a container of its host, a child of its supervisor.
OF_A_CONTAINER = {
    *("LEEWAY_CONFIG", "LEEWAY_HOST", "LEEWAY_OPERATIONS_HOST", "LEEWAY_OPERATIONS_PORT"),
    *("LEEWAY_INGEST_GRPC_HOST", "LEEWAY_REGISTRY_GRPC_HOST", "LEEWAY_WAREHOUSE_EMBEDDED"),
    "LEEWAY_PORT",
}
OF_A_CHILD = {"LEEWAY_PORT", "LEEWAY_WAREHOUSE_LISTEN_FD", "OPENBLAS_NUM_THREADS"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    ports = {"50051": str(free_port()), "4317": str(free_port())}
    return Place(tmp_path, {**HOSTS, "registry:": "127.0.0.1:", **ports})


async def ran(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """What `python WORDS` says, with nothing of Leeway in its environment but this; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, *words],
        env=_environment(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return said.decode()


@asynccontextmanager
async def running(
    words: Sequence[str], environment: Mapping[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, *words], env=_environment(environment), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "LEEWAY" not in name}
    return {**inherited, **given}


async def test_every_process_passes_its_check_with_what_it_is_given(place: Place) -> None:
    await ran(place.command("certificates"), {})

    told = await asyncio.gather(
        *(ran([*place.command(name), "--check"], place.environment(name)) for name in PROCESSES)
    )

    assert all('"LEEWAY_PEPPER": "**********"' in text for text in told)


async def test_a_registry_for_other_hosts_is_refused_without_certificates(place: Place) -> None:
    given = place.environment("registry")
    bare = {name: value for name, value in given.items() if "LEEWAY_TLS" not in name}

    with pytest.raises(AssertionError, match=r"between services on 0\.0\.0\.0 needs certificates"):
        await ran([*place.command("registry"), "--check"], bare)


def test_each_is_told_what_leeway_up_tells_it_in_a_cluster(place: Place) -> None:
    installation = Installation(data=place.folder / "up", port=0, sql_port=0, otlp_port=0)
    ports = open_ports(installation)
    with ports.http, ports.sql:
        family = members(installation, ports, Outside("k", "d", 0, 0), SystemClock())

    children = {child.name: set(child.environment) - OF_A_CHILD for child in family}
    containers = {name: set(place.environment(name)) - OF_A_CONTAINER for name in PROCESSES}

    assert containers == children


async def test_the_doors_open_with_what_the_registry_tells_them_over_mutual_tls(
    place: Place,
) -> None:
    control = {"LEEWAY_REGISTRY_DATABASE_URL": sqlite_url(place.folder / "control.db")}
    alone = {"LEEWAY_KAFKA": "", "LEEWAY_CLICKHOUSE_URL": ""}  # neither is here; both doors open
    registry = {**place.environment("registry"), **control}
    edge = {**place.environment("edge"), "LEEWAY_PORT": str(free_port())}
    await ran(place.command("certificates"), {})
    said = await ran(place.command("prepare"), {**place.environment("prepare"), **control, **alone})
    [key] = re.findall(r"^default/first +(lk_\w+)$", said, re.MULTILINE)

    logs = (place.folder / "registry.log", place.folder / "edge.log")
    async with (
        running(place.command("registry"), registry, logs[0]),
        running(place.command("edge"), edge, logs[1]) as door,
    ):
        status = await _models(int(edge["LEEWAY_PORT"]), key, door)

    assert status == 200, "".join(log.read_text() for log in logs)


async def _models(port: int, key: str, door: asyncio.subprocess.Process) -> int:
    """How the door answers whoever has the key, once it is open; 0 when it ended instead."""
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aiohttp.ClientSession(headers={"x-api-key": key}) as session,
    ):
        while door.returncode is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}/v1/models") as answer:
                    return answer.status
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)
    return 0
