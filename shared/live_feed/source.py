"""The registry as a source, over gRPC."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain

import grpc

from leeway_pb.v1.registry_rpc_pb2 import SnapshotRequest, WatchRequest
from leeway_pb.v1.registry_rpc_pb2_grpc import RegistryStub

from shared.clock import Clock
from shared.errors import Unavailable
from shared.live_feed.told import Source, Told
from shared.rpc.channel import Peer, rpc_channel
from shared.rpc.errors import error_of

SNAPSHOT_SECONDS = 30.0
WATCH_SECONDS = 600.0  # then the watch goes on with a new call, perhaps at another replica


class RegistryLink:
    """Makes connections to the registry; each reads the certificates anew."""

    def __init__(self, registry: Peer, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Source]:
        """A connection, made at its first call. Raises `Invalid` for wrong certificates."""
        async with rpc_channel(self._registry, self._clock.now()) as channel:
            yield _Connection(channel, self._registry.name)


class _Connection:
    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        self._stub = RegistryStub(channel)  # type: ignore[no-untyped-call]
        self._name = name

    async def snapshot(self) -> Told:
        call = self._stub.Snapshot(SnapshotRequest(), timeout=SNAPSHOT_SECONDS)
        try:
            parts = [part async for part in call]
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure, self._name) from failure
        if not parts:
            raise Unavailable(f"{self._name}: sent a snapshot without a revision.")
        return Told(parts[0].revision, list(chain.from_iterable(part.changes for part in parts)))

    async def watch(self, after: int) -> AsyncGenerator[Told]:
        while True:
            call = self._stub.Watch(WatchRequest(after_revision=after), timeout=WATCH_SECONDS)
            try:
                async for reply in call:
                    after = reply.revision
                    yield Told(reply.revision, reply.changes)
            except grpc.aio.AioRpcError as failure:
                if failure.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise error_of(failure, self._name) from failure
            else:
                raise Unavailable(f"{self._name}: ended the watch.")
