"""What can be seen of gRPC calls: each is counted and timed by method and status, and goes on from its caller's trace."""

import asyncio
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from leeway_pb.v1.ingest_rpc_pb2 import InteractionDraft, RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub

from services.ingest.rpc import SCOPE, door_of, services_of
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.clock import SimulatedClock
from shared.errors import Denied, Invalid, LeewayError, Unavailable
from shared.rpc.callers import admission
from shared.rpc.channel import Retries
from shared.rpc.door import Door
from shared.rpc.server import RpcServer
from shared.telemetry.log import TracedOutbox
from shared.telemetry.otlp import OtlpTracing
from tests.builders import NOW
from tests.doors import TOKEN, a_live_view
from tests.fakes import FakeOutbox
from tests.rpc import SERVICE, Answering, a_server, a_stub, accept, failure_of
from tests.traces import a_receiver, attributes
from tests.waiting import until

ONCE = Retries(attempts=2, budget=1)
ONE = RecordRequest(interactions=[InteractionDraft(model="demo")])
METHOD = f"{SERVICE}/Record"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = ("traceparent", f"00-{TRACE}-{SPAN}-01")
SECRET = "a word of the caller's"


def counted(method: str, status: str) -> float:
    labels = {"method": method, "status": status}
    return REGISTRY.get_sample_value("leeway_grpc_requests_total", labels) or 0.0


def timed(method: str) -> float:
    labels = {"method": method}
    return REGISTRY.get_sample_value("leeway_grpc_request_seconds_count", labels) or 0.0


def raising(error: Exception) -> Answering:
    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        raise error

    return Answering(answer)


async def test_a_call_is_counted_and_timed_by_its_method() -> None:
    before = (counted(METHOD, "OK"), timed(METHOD))

    async with a_server(Answering(accept)) as server, a_stub(server) as stub:
        await stub.Record(ONE)

    assert (counted(METHOD, "OK"), timed(METHOD)) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (Invalid("Wrong."), "INVALID_ARGUMENT"),
        (Denied("Who?", authenticate=True), "UNAUTHENTICATED"),
        (Unavailable("Later."), "UNAVAILABLE"),
        (KeyError("a prompt"), "INTERNAL"),
    ],
)
async def test_a_call_that_fails_is_counted_by_its_status(raised: Exception, status: str) -> None:
    before = counted(METHOD, status)

    async with a_server(raising(raised)) as server, a_stub(server, retries=ONCE) as stub:
        await failure_of(stub.Record(ONE))

    assert counted(METHOD, status) == before + 1


async def test_a_call_that_is_refused_at_the_door_is_counted() -> None:
    admit = admission(a_live_view(), SimulatedClock(NOW), SCOPE)
    door = Door(between_services=False, admit=admit, stop_seconds=0)
    before = counted(METHOD, "UNAUTHENTICATED")

    async with a_server(Answering(accept), door) as server, a_stub(server) as stub:
        await failure_of(stub.Record(ONE))

    assert counted(METHOD, "UNAUTHENTICATED") == before + 1


async def test_a_call_whose_client_leaves_is_counted_as_cancelled() -> None:
    begun, before = asyncio.Event(), counted(METHOD, "CANCELLED")

    async def begin(request: RecordRequest, context: Any) -> RecordReply:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    async with a_server(Answering(begin)) as server, a_stub(server) as stub:
        call = stub.Record(ONE)
        await begun.wait()
        call.cancel()
        await until(lambda: counted(METHOD, "CANCELLED") == before + 1)


async def test_a_method_that_is_not_there_becomes_no_label() -> None:
    before = counted("unmatched", "UNIMPLEMENTED")

    async with (
        a_server(Answering(accept)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        anything: Any = channel.unary_unary
        await failure_of(anything("/canary.Canary/Sing")(b"", timeout=5))

    assert counted("unmatched", "UNIMPLEMENTED") == before + 1
    labels = [sample.labels for metric in REGISTRY.collect() for sample in metric.samples]
    assert "canary" not in str(labels)


async def test_a_fact_that_came_over_grpc_goes_on_from_its_callers_trace() -> None:
    outbox, view, clock = FakeOutbox(), a_live_view(), SimulatedClock(NOW)
    async with a_receiver() as traces:
        tracing = OtlpTracing("edge-0", traces.url, 1.0)
        services = services_of(Intake(TracedOutbox(outbox, tracing), view, clock), view, clock)
        door = door_of(Settings(), None, admission(view, clock, SCOPE))
        async with (
            RpcServer(door, services, clock, tracing=tracing) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            request = RecordRequest(interactions=[_draft()])
            stub = IngestStub(channel)  # type: ignore[no-untyped-call]
            reply = await stub.Record(request, metadata=(("x-api-key", TOKEN), CALLER))
        await tracing.close()

        [call], [append] = traces.named(METHOD), traces.named("outbox append")

    assert reply.accepted == 1
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, SPAN)
    assert call.kind == call.SPAN_KIND_SERVER
    assert attributes(call) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
    }
    assert (append.trace_id, append.parent_span_id) == (call.trace_id, call.span_id)
    assert outbox.facts[0].traceparent == f"00-{TRACE}-{append.span_id.hex()}-01"


@pytest.mark.parametrize(
    ("raised", "status", "failed"),
    [
        (Invalid(SECRET), "INVALID_ARGUMENT", False),
        (Unavailable(SECRET), "UNAVAILABLE", True),
        (KeyError(SECRET), "INTERNAL", True),
    ],
)
async def test_a_span_is_failed_when_the_server_is_and_holds_no_word_of_a_caller(
    raised: LeewayError, status: str, failed: bool
) -> None:
    async with a_receiver() as traces:
        tracing = OtlpTracing("edge-0", traces.url, 1.0)
        async with (
            a_server(raising(raised), tracing=tracing) as server,
            a_stub(server, retries=ONCE) as stub,
        ):
            await failure_of(stub.Record(ONE))
        await tracing.close()

        [call] = traces.named(METHOD)
        sent = b"".join(each.body for each in traces.server.requests)

    assert attributes(call)["rpc.response.status_code"] == status
    assert (call.status.code == call.status.STATUS_CODE_ERROR) == failed
    assert SECRET.encode() not in sent


def _draft() -> InteractionDraft:
    started = int(NOW.timestamp() * 1e6) - 1_000_000
    return InteractionDraft(
        model="demo", provider="p", started_at_us=started, ended_at_us=started + 1, input="hi"
    )
