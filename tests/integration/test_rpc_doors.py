"""The gRPC door to applications: what is refused before it is read, and what nobody without a key can use up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from leeway_pb.v1.ingest_rpc_pb2 import InteractionDraft, RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub

from shared.bodies import Bodies
from shared.clock import SimulatedClock
from shared.rpc.callers import admission
from shared.rpc.door import Door
from shared.rpc.health import Health
from shared.rpc.server import RpcServer
from tests.builders import NOW
from tests.doors import TOKEN, a_live_view
from tests.rpc import SERVICE, Answering, a_server, accept, failure_of

KEY = (("x-api-key", TOKEN),)
ONE = RecordRequest(interactions=[InteractionDraft(model="demo")])
LARGE = RecordRequest(interactions=[InteractionDraft(model="demo", input="x" * 600_000)])
METHOD = f"/{SERVICE}/Record"


def a_door(**changes: Any) -> Door:
    """A door to who has a key with the scope `ingest`."""
    admit = admission(a_live_view(), SimulatedClock(NOW), "ingest")
    return replace(Door(between_services=False, admit=admit, stop_seconds=0), **changes)


@asynccontextmanager
async def a_channel(server: RpcServer) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that tries nothing twice."""
    options = [("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options) as channel:
        yield channel


def unsent(channel: grpc.aio.Channel, method: str = METHOD, **options: Any) -> Any:
    """A call whose message is never sent."""
    opened: Any = channel.stream_unary
    return opened(method)(**options)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("x-api-key", "lk_no"),), grpc.StatusCode.UNAUTHENTICATED),
    ],
)
async def test_without_a_key_a_call_is_refused_before_its_message_is_sent(
    metadata: tuple[tuple[str, str], ...], code: grpc.StatusCode
) -> None:
    service = Answering(accept)

    async with a_server(service, a_door()) as server, a_channel(server) as channel:
        call = unsent(channel, metadata=metadata, timeout=5)
        failure = await failure_of(call)

    assert (failure.code(), service.asked) == (code, 0)


async def test_a_key_without_the_scope_is_refused_before_its_message_is_sent() -> None:
    admit = admission(a_live_view(scopes=["read"]), SimulatedClock(NOW), "ingest")

    async with (
        a_server(Answering(accept), a_door(admit=admit)) as server,
        a_channel(server) as channel,
    ):
        failure = await failure_of(unsent(channel, metadata=KEY, timeout=5))

    assert failure.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_calls_without_a_key_take_no_place_from_those_with_one() -> None:
    async with (
        a_server(Answering(accept), a_door(max_calls=1)) as server,
        a_channel(server) as channel,
        AsyncExitStack() as stack,
    ):
        for _ in range(50):
            watch = HealthStub(channel).Watch(HealthCheckRequest())
            stack.callback(watch.cancel)
            assert (await failure_of(_first(watch))).code() is grpc.StatusCode.UNIMPLEMENTED
            nameless = unsent(channel)
            stack.callback(nameless.cancel)
        reply = await IngestStub(channel).Record(ONE, metadata=KEY, timeout=5)  # type: ignore[no-untyped-call]

    assert reply == RecordReply(accepted=1)


async def test_health_is_answered_without_a_key_and_without_reading() -> None:
    health = Health()

    async with (
        a_server(Answering(accept), a_door(), health=health) as server,
        a_channel(server) as channel,
    ):
        before = await HealthStub(channel).Check(HealthCheckRequest(service=SERVICE), timeout=5)
        await health.announce(serving=False)
        after = await unsent(channel, "/grpc.health.v1.Health/Check", timeout=5)

    assert before.status == HealthCheckResponse.SERVING
    assert HealthCheckResponse.FromString(after).status == HealthCheckResponse.NOT_SERVING


async def test_a_message_waits_for_room_among_the_bodies_of_the_process() -> None:
    bodies = Bodies(2**20, wait_seconds=5)
    service = Answering(accept)
    await bodies.take(2**20)

    async with a_server(service, a_door(), bodies=bodies) as server, a_channel(server) as channel:
        call = asyncio.ensure_future(
            IngestStub(channel).Record(ONE, metadata=KEY, timeout=5)  # type: ignore[no-untyped-call]
        )
        # Health is answered behind it on the same connection: the call has come, and waits.
        await HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
        assert (call.done(), service.asked) == (False, 0)
        bodies.give(2**20)
        assert await call == RecordReply(accepted=1)


async def test_without_room_for_it_a_message_is_refused_unread_and_may_come_again() -> None:
    bodies = Bodies(2**20, wait_seconds=0.01)
    await bodies.take(2**20)

    async with (
        a_server(Answering(accept), a_door(), bodies=bodies) as server,
        a_channel(server) as channel,
    ):
        failure = await failure_of(unsent(channel, metadata=KEY, timeout=5))

    trailers: Any = failure.trailing_metadata()
    assert failure.code() is grpc.StatusCode.UNAVAILABLE
    assert trailers["grpc-retry-pushback-ms"] == "2000"


async def test_a_message_keeps_its_room_until_it_is_answered_and_no_more_than_its_size() -> None:
    bodies = Bodies(2**20, wait_seconds=0.01)
    begun, on = asyncio.Event(), asyncio.Event()

    async def hold(request: RecordRequest, context: Any) -> RecordReply:
        begun.set()
        await on.wait()
        return await accept(request, context)

    async with (
        a_server(Answering(hold), a_door(), bodies=bodies) as server,
        a_channel(server) as channel,
    ):
        call = IngestStub(channel).Record(LARGE, metadata=KEY, timeout=5)  # type: ignore[no-untyped-call]
        await begun.wait()
        rest = 2**20 - LARGE.ByteSize()
        bodies.take_more(rest)
        bodies.give(rest)
        failure = await failure_of(unsent(channel, metadata=KEY, timeout=5))
        on.set()
        await call

    assert failure.code() is grpc.StatusCode.UNAVAILABLE
    bodies.take_more(2**20)  # all of it is free again


async def test_a_message_that_never_comes_is_given_up() -> None:
    door = a_door(message_seconds=0.05)

    async with a_server(Answering(accept), door) as server, a_channel(server) as channel:
        failure = await failure_of(unsent(channel, metadata=KEY, timeout=5))

    assert failure.code() is grpc.StatusCode.UNAVAILABLE
    assert failure.details() == "The message did not arrive within 0.05 seconds."


async def test_what_is_no_message_of_the_method_is_refused() -> None:
    async with a_server(Answering(accept), a_door()) as server, a_channel(server) as channel:
        anything: Any = channel.unary_unary
        failure = await failure_of(anything(METHOD)(b"\xff\xff", metadata=KEY, timeout=5))

    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT


async def _first(replies: Any) -> object:
    return await anext(aiter(replies))
