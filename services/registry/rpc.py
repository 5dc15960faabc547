"""The gRPC side: what is live as of one revision, and every change from there on, for other services."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import grpc

from leeway_pb.v1.registry_pb2 import RegistryChanged
from leeway_pb.v1.registry_rpc_pb2 import (
    SnapshotPart,
    SnapshotRequest,
    WatchReply,
    WatchRequest,
)
from leeway_pb.v1.registry_rpc_pb2_grpc import RegistryServicer, add_RegistryServicer_to_server

from services.registry.domain import Revision
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.stream import message_of
from services.registry.tail import Tail
from shared.errors import Conflict, Unavailable
from shared.rpc.callers import require_service
from shared.rpc.door import Door
from shared.rpc.server import Register
from shared.rpc.tls import TlsFiles

BATCH = 500
PART_BYTES = 512 * 1024  # well below the 4 MiB that a gRPC client takes unless told otherwise

Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"


class RegistryService(RegistryServicer):
    """Answers services; it tells no secret, but keyed hashes of them."""

    def __init__(self, store: Store, tail: Tail, settings: Settings) -> None:
        self._store = store
        self._tail = tail
        self._callers = settings.grpc_callers
        self._heartbeat_seconds = settings.grpc_heartbeat_seconds

    async def Snapshot(  # noqa: N802 - the name is the protocol's
        self, request: SnapshotRequest, context: Context
    ) -> AsyncIterator[SnapshotPart]:
        del request
        require_service(context, self._callers)
        snapshot = await self._store.snapshot()
        yield SnapshotPart(revision=snapshot.revision)
        for part in parts_of(snapshot.living):
            yield SnapshotPart(revision=snapshot.revision, changes=part)

    async def Watch(  # noqa: N802 - the name is the protocol's
        self, request: WatchRequest, context: Context
    ) -> AsyncIterator[WatchReply]:
        require_service(context, self._callers)
        told = request.after_revision
        newest = await self._store.last_revision()
        if told > newest:
            raise Conflict(f"The registry is at revision {newest}, and not at {told} yet.")
        while not self._tail.ended:
            changes = await self._store.changes_after(told, BATCH)
            for part in parts_of(changes):
                told = part[-1].revision
                yield WatchReply(revision=told, changes=part)
            if not changes:
                yield WatchReply(revision=told)
            if len(changes) < BATCH:
                await self._tail.beyond(told, self._heartbeat_seconds)
        raise Unavailable("The registry stops here.")


def parts_of(revisions: Sequence[Revision]) -> Iterator[list[RegistryChanged]]:
    """The changes in order, in parts that are small enough for one message each."""
    part: list[RegistryChanged] = []
    size = 0
    for message in map(message_of, revisions):
        if part and size + message.ByteSize() > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(message)
        size += message.ByteSize()
    if part:
        yield part


def services_of(store: Store, tail: Tail, settings: Settings) -> Mapping[str, Register]:
    """What the door offers, by full name."""
    service = RegistryService(store, tail, settings)
    return {"leeway_pb.v1.Registry": partial(add_RegistryServicer_to_server, service)}


def door_of(settings: Settings, tls: TlsFiles | None) -> Door:
    """The door to other services: with `tls` they show a certificate, without they are on this machine."""
    return Door(
        host=settings.grpc_host,
        port=settings.grpc_port,
        tls=tls,
        stop_seconds=settings.grpc_stop_seconds,
    )
