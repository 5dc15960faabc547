"""Retries are gRPC's own, and their budget holds: counted at the server that is asked."""

import asyncio
from typing import Any

import grpc

from leeway_pb.v1.ingest_rpc_pb2 import RecordReply, RecordRequest

from shared.errors import Invalid, Unavailable
from shared.rpc.channel import Retries
from shared.rpc.errors import error_of
from tests.rpc import Answering, a_server, a_stub, failure_of

QUICK = Retries(first_seconds=0.01, last_seconds=0.02)


def failing(times: int) -> Answering:
    left = [times]

    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        left[0] -= 1
        if left[0] >= 0:
            raise Unavailable("Later.")
        return RecordReply(accepted=1)

    return Answering(answer)


async def test_a_call_that_meets_a_hiccup_is_tried_again() -> None:
    service = failing(times=3)

    async with a_server(service) as server, a_stub(server, retries=QUICK) as stub:
        reply = await stub.Record(RecordRequest())

    assert (reply.accepted, service.asked) == (1, 4)


async def test_retries_end_when_half_of_the_budget_is_spent() -> None:
    service = failing(times=1_000)

    async with a_server(service) as server, a_stub(server, retries=QUICK) as stub:
        codes = [(await failure_of(stub.Record(RecordRequest()))).code() for _ in range(20)]

    # Ten tokens: the first call spends four, the second call's first try the fifth, and from then on
    # every call is one try.
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 20
    assert service.asked == 4 + 19


async def test_what_is_wrong_is_not_tried_again() -> None:
    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        raise Invalid("Wrong.")

    service = Answering(answer)
    async with a_server(service) as server, a_stub(server, retries=QUICK) as stub:
        await failure_of(stub.Record(RecordRequest()))

    assert service.asked == 1


async def test_a_server_that_asks_for_a_pause_beyond_the_deadline_is_not_asked_again() -> None:
    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        raise Unavailable("In an hour.", retry_after_seconds=3_600)

    service = Answering(answer)
    async with a_server(service) as server, a_stub(server, retries=QUICK) as stub:
        await failure_of(stub.Record(RecordRequest(), timeout=0.3))

    assert service.asked == 1


async def test_a_peer_that_hangs_is_given_up_at_the_deadline() -> None:
    async def answer(request: RecordRequest, context: Any) -> RecordReply:
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    async with a_server(Answering(answer)) as server, a_stub(server, retries=QUICK) as stub:
        failure = await failure_of(stub.Record(RecordRequest(), timeout=0.1))

    assert error_of(failure, "registry").message == "registry did not answer in time."
