"""Two members of alerting share a broker's partitions and a PostgreSQL; one of them is killed while it delivers."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from leeway_pb.v1.detection_pb2 import DriftDetected

from services.alerting.domain.delivery import DeliveryState
from services.alerting.store import AlertStore
from services.local.broker import Broker
from shared.clock import SystemClock, micros
from shared.database import Database
from shared.ids import derived_id
from shared.log.record import Fact
from shared.topics import DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED
from tests.integration.conftest import NewDatabase
from tests.kafka import KafkaHarness, a_cluster
from tests.servers import LoopbackServer
from tests.sources import ROOT
from tests.waiting import until

TENANTS = [f"tenant-{number}" for number in range(8)]
CAUSES = 30
PATIENCE_SECONDS = 150


def detections(causes: range) -> list[Fact]:
    """What drift found in each tenant, the tenants in turn."""
    now_us = micros(SystemClock().now())
    found = []
    for number in causes:
        for tenant in TENANTS:
            message = DriftDetected(
                detection_id=derived_id(tenant, str(number)),
                tenant=tenant,
                request_model="demo",
                feature="refusal_rate",
                detected_at_us=now_us,
                summary="Refusals rose.",
            )
            value = message.SerializeToString()
            found.append(Fact(DRIFT_DETECTED, tenant, message.detection_id, value))
    return found


class Receiver:
    """A webhook's receiver, which keeps everybody waiting until it is let go."""

    def __init__(self) -> None:
        self.told: Counter[tuple[str, str]] = Counter()
        self.told_by: dict[str, set[tuple[str, str]]] = {}
        self.let_go = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        labels = orjson.loads(await request.read())["data"]["labels"]
        delivery = request.headers["webhook-id"], labels["tenant"]
        self.told[delivery] += 1
        self.told_by.setdefault(request.path, set()).add(delivery)
        await self.let_go.wait()
        return web.Response()


@asynccontextmanager
async def a_member(
    log: KafkaHarness, database: str, hook: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Alerting as a process; what it says of itself lies in its folder."""
    cluster = log.cluster
    with (folder / "member.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.alerting_member", cluster.servers, cluster.prefix),
            *(database, hook, str(folder)),
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _holds_partitions(folder: Path) -> Callable[[], bool]:
    """Whether the last that a member said of its partitions is that it has some, and not all."""

    def holds() -> bool:
        took = [line for line in (folder / "member.out").read_text().splitlines() if "took" in line]
        shares = [line.partition("[")[2].partition("]")[0] for line in took]
        return bool(shares) and 0 < len(shares[-1].split(",")) < DRIFT_DETECTED.partitions

    return holds


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """A folder for each of two members."""
    made = [tmp_path / "one", tmp_path / "other"]
    for folder in made:
        folder.mkdir()
    return made


async def test_each_cause_counts_once_and_each_delivery_has_one_id_when_a_member_is_killed(
    tmp_path: Path, folders: list[Path], broker: Broker, postgresql: NewDatabase
) -> None:
    topics = (DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED)
    log = KafkaHarness(tmp_path / "log", await a_cluster(broker, topics, ["alerting"]))
    database, receiver = await asyncio.to_thread(postgresql), Receiver()
    one, other = folders

    async with (
        log.outbox() as outbox,
        LoopbackServer(receiver.answer) as server,
        a_member(log, database, server.url("/one"), one) as first,
        a_member(log, database, server.url("/other"), other) as second,
        Database(database) as control,
    ):
        for folder in folders:
            await until(_holds_partitions(folder), seconds=PATIENCE_SECONDS)
        await outbox.append(detections(range(CAUSES // 2)))
        await log.relay()
        await until(lambda: bool(receiver.told), seconds=PATIENCE_SECONDS)
        await outbox.append(detections(range(CAUSES // 2, CAUSES)))
        await log.relay()
        path, killed = ("/one", first) if "/one" in receiver.told_by else ("/other", second)
        killed.kill()
        await killed.wait()
        held = frozenset(receiver.told_by[path])
        receiver.let_go.set()
        counted = await _counted(AlertStore(control))

    assert counted == [(tenant, CAUSES, 1) for tenant in TENANTS]
    assert sorted(tenant for _, tenant in receiver.told) == TENANTS
    assert all(receiver.told[delivery] > 1 for delivery in held)


async def _counted(store: AlertStore) -> list[tuple[str, int, int]]:
    """Each alert's tenant, occurrences and deliveries, once every cause is counted and nothing waits."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            listed = await store.newest(1000)
            seen = sum(each.alert.occurrences for each in listed)
            made = Counter[DeliveryState]()
            for each in listed:
                made.update(each.deliveries)
            if seen >= len(TENANTS) * CAUSES and not made[DeliveryState.WAITING]:
                break
            await asyncio.sleep(0.1)
    return sorted(
        (each.alert.place.tenant, each.alert.occurrences, sum(each.deliveries.values()))
        for each in listed
    )
