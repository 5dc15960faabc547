"""The gRPC server on a real port: deadlines, limits, errors and health."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from leeway_pb.v1.ingest_rpc_pb2 import InteractionDraft, RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub

from shared.errors import Conflict, Denied, Invalid, LeewayError, NotFound, Unavailable
from shared.rpc.channel import Retries
from shared.rpc.door import Door
from shared.rpc.errors import error_of
from shared.rpc.health import Health
from tests.rpc import SERVICE, Answering, a_server, a_stub, accept, failure_of

ONE = RecordRequest(interactions=[InteractionDraft(model="demo")])
ONCE = Retries(attempts=2, budget=1)  # a budget of one token is spent by the first failure


async def never(request: RecordRequest, context: Any) -> RecordReply:
    await asyncio.Event().wait()
    raise AssertionError("it waits for ever")


def raising(error: LeewayError) -> Answering:
    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        raise error

    return Answering(answer)


async def test_a_call_without_a_deadline_is_refused_between_services() -> None:
    service = Answering(accept)

    async with (
        a_server(service) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        failure = await failure_of(IngestStub(channel).Record(ONE))  # type: ignore[no-untyped-call]

    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.details() == "The call has no deadline: set one."
    assert service.asked == 0


async def test_a_channel_of_ours_sets_a_deadline_by_itself() -> None:
    async with a_server(Answering(accept)) as server, a_stub(server) as stub:
        assert await stub.Record(ONE) == RecordReply(accepted=1)


async def test_a_call_ends_when_the_server_says_so_however_patient_the_caller_is() -> None:
    door = Door(between_services=False, max_call_seconds=0.05)

    async with (
        a_server(Answering(never), door) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        failure = await failure_of(IngestStub(channel).Record(ONE))  # type: ignore[no-untyped-call]

    assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.details() == "The call took too long."


async def test_a_message_over_the_limit_is_refused_before_the_service_sees_it() -> None:
    service = Answering(accept)
    large = RecordRequest(interactions=[InteractionDraft(input="x" * 2_000)])

    async with (
        a_server(service, Door(max_message_bytes=1_000)) as server,
        a_stub(server) as stub,
    ):
        failure = await failure_of(stub.Record(large))

    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert service.asked == 0


async def test_more_calls_at_once_than_the_door_holds_are_refused() -> None:
    begun = asyncio.Event()

    async def begin(request: RecordRequest, context: Any) -> RecordReply:
        begun.set()
        return await never(request, context)

    async with (
        a_server(Answering(begin), Door(max_calls=1, stop_seconds=0)) as server,
        a_stub(server, retries=ONCE) as stub,
    ):
        first = stub.Record(ONE)
        await begun.wait()
        failure = await failure_of(stub.Record(ONE))
        first.cancel()

    assert failure.code() is grpc.StatusCode.UNAVAILABLE
    assert failure.details() == "Too many calls at once."


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Invalid("Wrong."), grpc.StatusCode.INVALID_ARGUMENT),
        (NotFound("Not there."), grpc.StatusCode.NOT_FOUND),
        (Conflict("Not now."), grpc.StatusCode.FAILED_PRECONDITION),
        (Denied("Not you."), grpc.StatusCode.PERMISSION_DENIED),
        (Denied("Who?", authenticate=True), grpc.StatusCode.UNAUTHENTICATED),
        (Unavailable("Later."), grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_an_error_comes_back_as_what_it_was(
    raised: LeewayError, code: grpc.StatusCode
) -> None:
    async with a_server(raising(raised)) as server, a_stub(server, retries=ONCE) as stub:
        failure = await failure_of(stub.Record(ONE))

    trailers: Any = failure.trailing_metadata()
    told = error_of(failure, "registry")
    assert (failure.code(), failure.details()) == (code, raised.message)
    assert trailers["leeway-code"] == raised.code
    assert (type(told), told.message) == (type(raised), f"registry: {raised.message}")


async def test_a_crash_says_nothing_of_itself() -> None:
    async def crash(request: RecordRequest, context: Any) -> RecordReply:
        raise KeyError("a prompt")

    async with a_server(Answering(crash)) as server, a_stub(server) as stub:
        failure = await failure_of(stub.Record(ONE))

    assert failure.code() is grpc.StatusCode.INTERNAL
    assert failure.details() == "The server failed; its log says why."


async def test_health_says_what_the_service_announced() -> None:
    health = Health()

    async with (
        a_server(Answering(accept), health=health) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = HealthStub(channel)
        before = await stub.Check(HealthCheckRequest(service=SERVICE))
        await health.announce(serving=False)
        named = await stub.Check(HealthCheckRequest(service=SERVICE))
        whole = await stub.Check(HealthCheckRequest())

    assert before.status == HealthCheckResponse.SERVING
    assert named.status == whole.status == HealthCheckResponse.NOT_SERVING


async def test_reflection_is_off() -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

    async with (
        a_server(Answering(accept)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        failure = await failure_of(channel.unary_unary(method)(b"", timeout=5))  # type: ignore[call-arg]

    assert failure.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_address_that_cannot_be_had_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="is the port taken"):
        async with a_server(Answering(accept), Door(host="192.0.2.1", between_services=False)):
            pass  # 192.0.2.0/24 is nobody's (RFC 5737)


async def test_services_speak_in_the_clear_on_loopback_alone() -> None:
    with pytest.raises(Invalid, match="leeway certs"):
        async with a_server(Answering(accept), Door(host="0.0.0.0")):
            pass
