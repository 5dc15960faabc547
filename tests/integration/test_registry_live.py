"""The registry over the log on disk: what is changed here is live in a process that follows."""

import asyncio
from pathlib import Path

import httpx
import pytest

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.registry.app import build, prepare
from services.registry.settings import Settings
from shared.clock import SystemClock
from shared.config import Config, KeyConfig, TenantConfig
from shared.errors import Denied
from shared.lifecycle import Running
from shared.live import LiveView, split_key
from shared.log.folder import FolderLog
from shared.log.follow import Follower
from shared.log.outbox import SqliteOutbox
from shared.log.record import Record
from shared.secrets_folder import SecretsFolder
from shared.server import http_app
from shared.topics import REGISTRY_CHANGED
from tests.registry import a_host, bearer

CONFIG = Config(tenants=(TenantConfig("acme", keys=(KeyConfig("web", ("serve",)),)),))


class Watched:
    """A live view, and a wait for the next change of a key."""

    def __init__(self, live: LiveView) -> None:
        self.live = live
        self._changed: dict[str, asyncio.Event] = {}

    def apply(self, record: Record) -> None:
        change = RegistryChanged.FromString(record.value)
        self.live.apply(change)
        self.change_of(change.entity_id).set()

    def change_of(self, entity_id: str) -> asyncio.Event:
        return self._changed.setdefault(entity_id, asyncio.Event())


async def test_a_change_is_live_within_a_second(tmp_path: Path) -> None:
    clock, pepper = SystemClock(), SecretsFolder(tmp_path).pepper()
    seeded = await prepare(Settings(), tmp_path, CONFIG, pepper, clock)
    operator, web = (key.token for key in seeded.keys)
    watched = Watched(LiveView(pepper))
    stop = asyncio.Event()
    async with SqliteOutbox(tmp_path / "log" / "edge.db", clock) as outbox:
        app = build(Settings(), a_host(tmp_path, clock, outbox, watched.live))
        follower = Follower(REGISTRY_CHANGED, FolderLog(tmp_path / "log"), watched.apply, clock)
        following = asyncio.create_task(follower.run(stop))
        running = Running([app])
        await running.start()
        key_id = split_key(web)[0]
        async with asyncio.timeout(5):
            await watched.change_of(key_id).wait()
        watched.change_of(key_id).clear()

        assert app.ready()
        assert watched.live.caller(web, clock.now()).tenant == "acme"
        transport = httpx.ASGITransport(http_app(app.routes, app.ready))
        async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
            answer = await client.delete(f"/v1/registry/keys/{key_id}", headers=bearer(operator))
        async with asyncio.timeout(1):
            await watched.change_of(key_id).wait()

        assert answer.status_code == 200
        with pytest.raises(Denied, match="revoked"):
            watched.live.caller(web, clock.now())
        stop.set()
        await following
        await running.stop(5)
