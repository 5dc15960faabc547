"""Alerting as a process builds it: from facts in the log to a signed webhook, and to a fact again."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiohttp import web

from leeway_pb.v1.alert_pb2 import AlertChanged
from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.alerting.app import build
from services.alerting.settings import Settings
from shared.clock import SystemClock, micros
from shared.config import ChannelConfig, Config
from shared.ids import new_id
from shared.lifecycle import ClickHouseAddress, Host, Running
from shared.live import LiveView
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact, Handler
from shared.topics import ALERT_CHANGED, DRIFT_DETECTED, INTERACTION_COMPLETED, Topic
from tests.servers import LoopbackServer

SECRET = b"s" * 32
QUICK = Settings(group_wait_seconds=0, round_seconds=0.02)


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook as it arrived, its signature checked."""

    kind: str
    title: str


class Receiver:
    """A webhook's receiver, which checks signatures as the standard says."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Told] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
        digest = hmac.new(SECRET, signed.encode() + body, hashlib.sha256).digest()
        expected = f"v1,{base64.b64encode(digest).decode()}"
        assert request.headers["webhook-signature"] == expected
        payload = orjson.loads(body)
        await self.told.put(Told(payload["type"], payload["data"]["title"]))
        return web.Response()

    async def next(self) -> Told:
        async with asyncio.timeout(10):
            return await self.told.get()


@asynccontextmanager
async def _alerting(data: Path, url: str) -> AsyncIterator[Host]:
    """Alerting with one webhook over a log of its own; it runs until the context ends."""
    clock = SystemClock()
    options = {"url": url, "secret": "${SIGNING}"}
    config = Config(
        channels=(ChannelConfig("hook", "webhook", options),),
        webhook_allow=("127.0.0.0/8",),
        secrets={"SIGNING": "whsec_" + base64.b64encode(SECRET).decode()},
    )
    async with SqliteOutbox(data / "log" / "core.db", clock) as outbox:

        def group(
            name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
        ) -> Consumer:
            source = FolderLog(data / "log")
            return Consumer(name, topics, source, outbox, handler, limits, clock)

        live, nowhere = LiveView(b"p" * 32), ClickHouseAddress("", "", "")
        host = Host(data, config, clock, outbox, live, nowhere, group)
        running = Running([build(QUICK, host)])
        await running.start()
        yield host
        assert not running.failed.is_set()
        await running.stop(10)


def _drift(now_us: int) -> Fact:
    message = DriftDetected(
        detection_id=new_id(),
        tenant="acme",
        request_model="demo",
        feature="refusal_rate",
        detected_at_us=now_us,
        summary="Refusals rose.",
    )
    return Fact(DRIFT_DETECTED, "acme", message.detection_id, message.SerializeToString())


def _failed_calls(count: int, now_us: int) -> list[Fact]:
    facts = []
    for _ in range(count):
        message = InteractionCompleted(
            interaction_id=new_id(),
            tenant="acme",
            request_model="demo",
            status="error",
            error_type="timeout",
            started_at_us=now_us,
            ended_at_us=now_us,
        )
        value = message.SerializeToString()
        facts.append(Fact(INTERACTION_COMPLETED, "acme", message.interaction_id, value))
    return facts


async def _changes(data: Path, expected: int) -> list[AlertChanged]:
    async with asyncio.timeout(10):
        while True:
            log = FolderLog(data / "log")
            records, _ = await log.poll([ALERT_CHANGED.name], {}, 100)
            log.close()
            if len(records) >= expected:
                return [AlertChanged.FromString(record.value) for record in records]


async def test_a_detection_in_the_log_is_a_signed_webhook_and_a_fact(tmp_path: Path) -> None:
    receiver = Receiver()
    async with (
        LoopbackServer(receiver.answer) as server,
        _alerting(tmp_path, server.url("/hook")) as host,
    ):
        await host.outbox.append([_drift(micros(host.clock.now()))])

        told = await receiver.next()
        (change,) = await _changes(tmp_path, 1)

    assert told == Told("alert.fired", "Drift in refusal_rate: model demo, tenant acme")
    assert (change.tenant, change.state, change.title) == ("acme", "firing", told.title)


async def test_a_breach_that_a_restart_splits_is_told_once(tmp_path: Path) -> None:
    receiver = Receiver()
    async with LoopbackServer(receiver.answer) as server:
        async with _alerting(tmp_path, server.url("/hook")) as host:
            now_us = micros(host.clock.now())
            await host.outbox.append([*_failed_calls(12, now_us), _drift(now_us)])
            assert (await receiver.next()).title.startswith("Drift")
        async with _alerting(tmp_path, server.url("/hook")) as host:
            await host.outbox.append(_failed_calls(8, micros(host.clock.now())))

            told = await receiver.next()
            await _changes(tmp_path, 2)

    assert told == Told("alert.fired", "100.0% of calls fail: model demo, tenant acme")
    assert receiver.told.empty()
