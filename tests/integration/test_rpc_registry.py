"""The registry over gRPC, to its followers: what they see, in which order, and who may ask."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from leeway_pb.v1.registry_rpc_pb2 import SnapshotRequest, WatchReply, WatchRequest
from leeway_pb.v1.registry_rpc_pb2_grpc import RegistryStub

from services.registry.domain import Tenant
from services.registry.registry import Registry
from services.registry.rpc import PART_BYTES, parts_of, services_of
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.tail import Tail
from shared.clock import Clock, SimulatedClock, SystemClock
from shared.config import Config, KeyConfig, ModelConfig, ProviderConfig, RouteConfig, TenantConfig
from shared.database import Database
from shared.errors import Conflict, Denied, Unavailable
from shared.live import LiveView, split_key
from shared.live_feed.feed import LiveFeed, Patience
from shared.live_feed.file import LiveFile
from shared.live_feed.source import RegistryLink
from shared.live_feed.told import Source
from shared.rpc.channel import Peer
from shared.rpc.door import Door
from shared.rpc.health import Health
from shared.rpc.server import RpcServer
from shared.rpc.tls import TlsFiles
from tests.registry import START, Installation
from tests.rpc import certificates, failure_of
from tests.waiting import until

CONFIG = Config(
    providers=(ProviderConfig("demo", "demo"),),
    models=(ModelConfig("demo", (RouteConfig("demo", "demo-1"),)),),
    tenants=(TenantConfig("acme", keys=(KeyConfig("web", ("serve",)),)),),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A registry that answers, and what makes changes in it."""

    registry: Registry
    store: Store
    port: int

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Source]:
        peer = Peer("registry", f"127.0.0.1:{self.port}")
        async with RegistryLink(peer, SystemClock()).connect() as source:
            yield source

    @asynccontextmanager
    async def stub(self) -> AsyncIterator[RegistryStub]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            yield RegistryStub(channel)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def a_registry(
    installation: Installation,
    *,
    port: int = 0,
    clock: Clock | None = None,
    tls: TlsFiles | None = None,
) -> AsyncIterator[Served]:
    ticking, stop = clock or SystemClock(), asyncio.Event()
    async with Database(installation.settings.url(installation.data)) as database:
        store, health = Store(database), Health(serving=False)
        tail = Tail(store, ticking, health.announce, interval_seconds=0.05)
        services = services_of(store, tail, Settings())
        door = Door(port=port, tls=tls, stop_seconds=0)
        async with RpcServer(door, services, ticking, health) as server:
            looking = asyncio.create_task(tail.run(stop))
            registry = Registry(store, installation.pepper, ticking, lambda: None)
            yield Served(registry, store, server.port)
            stop.set()
            await looking


class Follower:
    """A process that follows a registry at an address, for as long as a test lets it."""

    def __init__(self, installation: Installation, port: int, tls: TlsFiles | None = None) -> None:
        clock = SystemClock()
        self.live = LiveView(installation.pepper)
        self.feed = LiveFeed(
            RegistryLink(Peer("registry", f"127.0.0.1:{port}", tls), clock).connect,
            self.live,
            LiveFile(installation.data / "live", installation.pepper),
            clock,
            Random(7),
            patience=Patience(first_pause_seconds=0.02, last_pause_seconds=0.05),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Follower"]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.feed.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    async def current(self) -> None:
        await until(lambda: self.feed.caught_up.is_set() and self.feed.stale_since is None)


async def replies(stub: RegistryStub, after: int, count: int) -> list[WatchReply]:
    call = stub.Watch(WatchRequest(after_revision=after), timeout=5)
    got = [await call.read() for _ in range(count)]
    call.cancel()
    return got


async def test_a_snapshot_is_what_the_folded_facts_are(control_url: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, control_url)
    await installation.prepare(CONFIG)
    await installation.prepare(Config(tenants=CONFIG.tenants))  # the model and its provider go
    await installation.tell()

    async with a_registry(installation) as served, served.connected() as source:
        told = await source.snapshot()

    view = LiveView(installation.pepper)
    view.become(told.changes, told.revision)
    assert view.keys == installation.live.keys
    assert view.content_policies == installation.live.content_policies
    assert (view.models, view.providers) == ({}, {})
    assert told.revision == installation.live.revision
    assert not any(change.deleted for change in told.changes)
    assert [one.revision for one in told.changes] == sorted(one.revision for one in told.changes)


async def test_a_watch_tells_every_change_behind_its_revision_once_and_in_order(
    control_url: str, tmp_path: Path
) -> None:
    installation = Installation(tmp_path, control_url)
    await installation.prepare(CONFIG)

    async with a_registry(installation) as served, served.connected() as source:
        start = (await source.snapshot()).revision
        names = [f"t{n}" for n in range(10)]
        adding = asyncio.gather(
            *(served.registry.add_tenant(Tenant(name, name), "test") for name in names)
        )
        seen: list[tuple[int, str]] = []
        async with asyncio.timeout(20):
            async for told in source.watch(start):
                seen += [(one.revision, one.entity_id) for one in told.changes]
                if len(seen) == 30:  # each with a project and an environment
                    break
        await adding
        last = await served.store.last_revision()
        again = await served.store.changes_after(start, 100)

    assert seen == [(one.revision, one.entity_id) for one in again]
    assert seen[-1][0] == last
    assert sorted(name for _, name in seen if "/" not in name) == sorted(names)


async def test_a_watch_goes_on_from_any_revision(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)

    async with a_registry(installation) as served, served.stub() as stub:
        last = await served.store.last_revision()
        (whole,) = await replies(stub, 0, 1)
        (rest,) = await replies(stub, last - 2, 1)
        (none,) = await replies(stub, last, 1)

    assert [one.revision for one in whole.changes] == list(range(1, last + 1))
    assert [one.revision for one in rest.changes] == [last - 1, last]
    assert none == WatchReply(revision=last)


async def test_a_watch_from_a_revision_that_is_not_there_yet_is_a_conflict(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)

    async with a_registry(installation) as served, served.connected() as source:
        last = await served.store.last_revision()
        with pytest.raises(Conflict, match=f"is at revision {last}, and not at {last + 1} yet"):
            await anext(source.watch(last + 1))


async def test_a_watch_without_changes_beats(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)
    clock = SimulatedClock(START)

    async with a_registry(installation, clock=clock) as served, served.stub() as stub:
        last = await served.store.last_revision()
        call = stub.Watch(WatchRequest(after_revision=last), timeout=5)
        first = await call.read()
        beat = asyncio.ensure_future(call.read())
        while not beat.done():
            clock.advance(1)
            await asyncio.wait({beat}, timeout=0.01)
        call.cancel()

    assert first == beat.result() == WatchReply(revision=last)


async def test_health_is_that_of_the_database() -> None:
    class Database:
        up = True

        async def last_revision(self) -> int:
            if not self.up:
                raise Unavailable("The control database does not answer; try again.")
            return 7

    database, clock, health, stop = (
        Database(),
        SimulatedClock(START),
        Health(serving=False),
        asyncio.Event(),
    )
    tail = Tail(database, clock, health.announce, interval_seconds=1)
    async with (
        RpcServer(Door(stop_seconds=0), {}, clock, health) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        seen = HealthStub(channel).Watch(HealthCheckRequest())
        before = await seen.read()
        looking = asyncio.create_task(tail.run(stop))
        opened = await seen.read()
        database.up = False
        clock.advance(1)
        closed = await seen.read()
        stop.set()
        await looking
        seen.cancel()

    serving = HealthCheckResponse
    assert [one.status for one in (before, opened, closed)] == [
        serving.NOT_SERVING,
        serving.SERVING,
        serving.NOT_SERVING,
    ]


async def test_a_change_is_live_within_a_second(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    seeded = await installation.prepare(CONFIG)
    token = seeded.keys[-1].token
    key_id = split_key(token)[0]

    async with (
        a_registry(installation) as served,
        Follower(installation, served.port).running() as it,
    ):
        await it.current()
        assert it.live.caller(token, START).tenant == "acme"
        await served.registry.revoke_key(key_id, None, "test")
        await until(lambda: it.live.keys[key_id].revoked, seconds=1)

        with pytest.raises(Denied, match="revoked"):
            it.live.caller(token, START)


async def test_a_registry_that_dies_and_comes_back_changed_is_followed_without_a_gap(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)
    async with a_registry(installation) as served:
        port = served.port
        it = Follower(installation, port)
        running = it.running()
        await running.__aenter__()
        await it.current()
    await until(lambda: it.feed.stale_since is not None)
    assert set(it.live.models) == {"demo"}

    await installation.prepare(Config(tenants=(TenantConfig("globex"),)))
    async with a_registry(installation, port=port):
        await it.current()

        assert set(it.live.content_policies) == {"globex", "leeway"}
        assert it.live.models == {}
        await running.__aexit__(None, None, None)


async def test_a_process_starts_from_its_file_while_the_registry_is_down(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    seeded = await installation.prepare(CONFIG)
    async with (
        a_registry(installation) as served,
        Follower(installation, served.port).running() as it,
    ):
        await it.current()
        await until((tmp_path / "live").exists)

    async with Follower(installation, served.port).running() as it:
        await it.feed.caught_up.wait()

        assert it.feed.stale_since is not None
        assert it.live.caller(seeded.keys[-1].token, START).tenant == "acme"
    content = (tmp_path / "live").read_bytes()
    secret = split_key(seeded.keys[-1].token)[1]
    assert secret.encode() not in content


async def test_a_half_open_connection_is_noticed_by_its_silence(tmp_path: Path) -> None:
    clock = SimulatedClock(START)
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)
    async with (
        a_registry(installation) as served,
        Follower(installation, served.port).running() as it,
    ):
        await it.current()
        await until((tmp_path / "live").exists)
    stop = asyncio.Event()
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as mute:  # the kernel answers for it, and nobody else
        feed = LiveFeed(
            RegistryLink(Peer("registry", f"127.0.0.1:{mute.getsockname()[1]}"), clock).connect,
            LiveView(installation.pepper),
            LiveFile(tmp_path / "live", installation.pepper),
            clock,
            Random(7),
        )
        task = asyncio.create_task(feed.run(stop))
        while not feed.caught_up.is_set():
            clock.advance(5)
            await asyncio.wait({task}, timeout=0.01)
        stop.set()
        await task

    assert feed.stale_since is not None


async def test_only_services_with_a_certificate_may_ask(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)
    registry, edge, stranger = certificates(tmp_path / "certs", "registry", "edge", "stranger")

    async with a_registry(installation, tls=registry) as served:
        async with Follower(installation, served.port, edge).running() as it:
            await it.current()
        peer = Peer("registry", f"127.0.0.1:{served.port}", stranger)
        async with RegistryLink(peer, SystemClock()).connect() as source:
            with pytest.raises(
                Denied, match="The certificate of 'localhost, stranger' may not ask"
            ):
                await source.snapshot()


async def test_a_watch_without_a_deadline_is_refused(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    await installation.prepare(CONFIG)

    async with a_registry(installation) as served, served.stub() as stub:
        failure = await failure_of(stub.Watch(WatchRequest()).read())
        snapshot: Any = stub.Snapshot(SnapshotRequest())
        also = await failure_of(snapshot.read())

    assert failure.code() is also.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_large_registry_comes_in_parts_that_fit_a_message(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    models = tuple(
        ModelConfig(f"m{n}", tuple(RouteConfig("demo", f"{i}-{'x' * 200}") for i in range(50)))
        for n in range(100)
    )
    await installation.prepare(Config(providers=CONFIG.providers, models=models))

    async with a_registry(installation) as served, served.connected() as source:
        told = await source.snapshot()
        snapshot = await served.store.snapshot()

    sizes = [sum(one.ByteSize() for one in part) for part in parts_of(snapshot.living)]
    assert len([one for one in told.changes if one.entity == "model"]) == 100
    assert len(sizes) == 3
    assert max(sizes) <= PART_BYTES
