"""gRPC on a free port of loopback: a service that does as a test says, its certificates, and a channel to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from leeway_pb.v1.ingest_rpc_pb2 import RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import (
    IngestServicer,
    IngestStub,
    add_IngestServicer_to_server,
)

from services.local.certificates import Validity, make_certificates
from shared.bodies import Bodies
from shared.clock import Clock, SystemClock
from shared.rpc.channel import Peer, Retries, rpc_channel
from shared.rpc.door import Door
from shared.rpc.health import Health
from shared.rpc.server import RpcServer
from shared.rpc.tls import TlsFiles
from shared.telemetry.tracing import Tracing

SERVICE = "leeway_pb.v1.Ingest"

Answer = Callable[[RecordRequest, Any], Awaitable[RecordReply]]


class Answering(IngestServicer):
    """A service that answers as it is told, and counts how often it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked = 0

    async def Record(self, request: RecordRequest, context: Any) -> RecordReply:
        self.asked += 1
        return await self._answer(request, context)


async def accept(request: RecordRequest, context: Any) -> RecordReply:
    """An answer: everything is accepted."""
    return RecordReply(accepted=len(request.interactions))


@asynccontextmanager
async def a_server(
    service: IngestServicer,
    door: Door | None = None,
    health: Health | None = None,
    clock: Clock | None = None,
    *,
    bodies: Bodies | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[RpcServer]:
    """The service behind a door between services, in the clear unless the door says otherwise."""
    services = {SERVICE: partial(add_IngestServicer_to_server, service)}
    async with RpcServer(
        door or Door(stop_seconds=0),
        services,
        clock or SystemClock(),
        health,
        bodies=bodies,
        tracing=tracing,
    ) as server:
        yield server


@asynccontextmanager
async def a_stub(
    server: RpcServer, tls: TlsFiles | None = None, retries: Retries | None = None
) -> AsyncIterator[IngestStub]:
    """A stub on a channel of ours; the service's certificate must bear the name `registry`."""
    peer = Peer("registry", f"127.0.0.1:{server.port}", tls)
    async with rpc_channel(peer, SystemClock().now(), retries=retries) as channel:
        yield IngestStub(channel)  # type: ignore[no-untyped-call]


async def failure_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """How the call failed."""
    try:
        await call
    except grpc.aio.AioRpcError as failure:
        return failure
    raise AssertionError("the call did not fail")


def certificates(folder: Path, *names: str, validity: Validity | None = None) -> Sequence[TlsFiles]:
    """Files of a new CA and its certificates, which hold now unless the test says otherwise."""
    return make_certificates(folder, names, validity or Validity.days_from(SystemClock().now(), 90))
