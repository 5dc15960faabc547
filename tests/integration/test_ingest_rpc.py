"""The gRPC door on a real port: OTLP's TraceService and Record, with keys in the metadata."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from leeway_pb.v1.ingest_rpc_pb2 import InteractionDraft, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub
from leeway_pb.v1.interaction_pb2 import InteractionCompleted

from services.ingest.otlp import JSON, export_of
from services.ingest.rpc import SCOPE, door_of, services_of
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.clock import SimulatedClock
from shared.live import LiveView
from shared.rpc.callers import admission
from shared.rpc.server import RpcServer
from shared.topics import INTERACTION_COMPLETED, SPAN_ENDED
from tests.builders import NOW
from tests.doors import TOKEN, a_live_view
from tests.exports import CHAT, a_span, an_export
from tests.fakes import FakeOutbox
from tests.rpc import certificates

KEY = (("x-api-key", TOKEN),)


@asynccontextmanager
async def a_channel(
    outbox: FakeOutbox, live: LiveView | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    view, clock = live or a_live_view(), SimulatedClock(NOW)
    settings = Settings(grpc_message_bytes=1_000_000)
    services = services_of(Intake(outbox, view, clock), view, clock)
    async with (
        RpcServer(
            door_of(settings, None, admission(view, clock, SCOPE)), services, clock
        ) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield channel


@asynccontextmanager
async def a_stub(
    outbox: FakeOutbox, live: LiveView | None = None
) -> AsyncIterator[TraceServiceStub]:
    async with a_channel(outbox, live) as channel:
        yield TraceServiceStub(channel)  # type: ignore[no-untyped-call]


def an_encoded_export() -> ExportTraceServiceRequest:
    export = an_export(a_span(CHAT), a_span({}, spanId="00f067aa0ba902b8"), a_span({}, spanId=""))
    return export_of(json.dumps(export).encode(), JSON)


@pytest.mark.parametrize("metadata", [KEY, (("authorization", f"Bearer {TOKEN}"),)])
async def test_an_export_is_stored_and_its_refused_spans_are_told(
    metadata: tuple[tuple[str, str], ...],
) -> None:
    outbox = FakeOutbox()

    async with a_stub(outbox) as stub:
        answer = await stub.Export(an_encoded_export(), metadata=metadata)

    assert [fact.topic for fact in outbox.facts] == [INTERACTION_COMPLETED, SPAN_ENDED]
    expected = ExportTraceServiceResponse()
    expected.partial_success.rejected_spans = 1
    expected.partial_success.error_message = (
        "span 'chat gpt-4o' (no id): span_id must be 8 bytes, not all zero"
    )
    assert answer == expected


@pytest.mark.parametrize(
    ("outbox", "scopes", "metadata", "code"),
    [
        (FakeOutbox(), ["ingest"], (), grpc.StatusCode.UNAUTHENTICATED),
        (FakeOutbox(), ["ingest"], (("x-api-key", "lk_no"),), grpc.StatusCode.UNAUTHENTICATED),
        (FakeOutbox(), ["read"], KEY, grpc.StatusCode.PERMISSION_DENIED),
        (FakeOutbox(full=True), ["ingest"], KEY, grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_what_goes_wrong_has_its_status(
    outbox: FakeOutbox,
    scopes: list[str],
    metadata: tuple[tuple[str, str], ...],
    code: grpc.StatusCode,
) -> None:
    async with a_stub(outbox, a_live_view(scopes=scopes)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Export(an_encoded_export(), metadata=metadata)

    assert raised.value.code() == code


async def test_a_compressed_bomb_is_refused_before_it_is_read() -> None:
    bomb = export_of(json.dumps(an_export(a_span({"x": "0" * 2_000_000}))).encode(), JSON)
    outbox = FakeOutbox()

    async with a_stub(outbox) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Export(bomb, metadata=KEY, compression=grpc.Compression.Gzip)

    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert outbox.facts == []


async def test_behind_a_proxy_that_ends_tls_the_door_is_plain(tmp_path: Path) -> None:
    (files,) = certificates(tmp_path, "edge")

    admit = admission(a_live_view(), SimulatedClock(NOW), SCOPE)

    assert door_of(Settings(), files, admit).tls == files
    assert door_of(Settings(grpc_tls=False), files, admit).tls is None


async def test_the_example_of_the_docs_records_an_interaction(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    example = (
        (root / "docs" / "grpc.md").read_text().partition("```python\n")[2].partition("```")[0]
    )
    (tmp_path / "example.py").write_text(example)
    outbox, view, clock = FakeOutbox(), a_live_view(), SimulatedClock(NOW)
    services = services_of(Intake(outbox, view, clock), view, clock)

    async with RpcServer(
        door_of(Settings(), None, admission(view, clock, SCOPE)), services, clock
    ) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(tmp_path / "example.py"),
            env={
                "LEEWAY_GRPC": f"127.0.0.1:{server.port}",
                "LEEWAY_API_KEY": TOKEN,
                "PYTHONPATH": str(root / "protos" / "gen"),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()

    assert process.returncode == 0
    assert [fact.event_id for fact in outbox.facts] == printed.decode().split()
    assert InteractionCompleted.FromString(outbox.facts[0].value).output_text == "Four."


@pytest.mark.parametrize(
    ("scopes", "metadata", "code"),
    [
        (["ingest"], (), grpc.StatusCode.UNAUTHENTICATED),
        (["read"], KEY, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_recording_takes_a_key_with_the_scope(
    scopes: list[str], metadata: tuple[tuple[str, str], ...], code: grpc.StatusCode
) -> None:
    outbox = FakeOutbox()

    async with a_channel(outbox, a_live_view(scopes=scopes)) as channel:
        request = RecordRequest(interactions=[InteractionDraft(model="demo")])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await IngestStub(channel).Record(request, metadata=metadata)  # type: ignore[no-untyped-call]

    assert raised.value.code() == code
    assert outbox.facts == []
