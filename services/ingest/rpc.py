"""The gRPC door: OTLP's TraceService, and Record for services that tell many interactions."""

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from leeway_pb.v1.ingest_rpc_pb2 import RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestServicer, add_IngestServicer_to_server

from services.ingest.drafts import record_reply
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.clock import Clock
from shared.live import LiveView
from shared.rpc.callers import caller_of
from shared.rpc.door import Admit, Door
from shared.rpc.server import Register
from shared.rpc.tls import TlsFiles

SCOPE = "ingest"

Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"


class TraceService(TraceServiceServicer):
    """Takes OTLP exports; the caller is known by the same key as over HTTP."""

    def __init__(self, intake: Intake, live: LiveView, clock: Clock) -> None:
        self._intake = intake
        self._live = live
        self._clock = clock

    async def Export(  # noqa: N802 - the name is the protocol's
        self, request: ExportTraceServiceRequest, context: Context
    ) -> ExportTraceServiceResponse:
        caller = caller_of(context, self._live, self._clock, SCOPE)
        return await self._intake.export(caller, request)


class IngestService(IngestServicer):
    """Takes batches of interactions; the caller is known by the same key as over HTTP."""

    def __init__(self, intake: Intake, live: LiveView, clock: Clock) -> None:
        self._intake = intake
        self._live = live
        self._clock = clock

    async def Record(  # noqa: N802 - the name is the protocol's
        self, request: RecordRequest, context: Context
    ) -> RecordReply:
        caller = caller_of(context, self._live, self._clock, SCOPE)
        return record_reply(await self._intake.record(caller, request))


def services_of(intake: Intake, live: LiveView, clock: Clock) -> Mapping[str, Register]:
    """What the door offers, by full name."""
    traces, ingest = TraceService(intake, live, clock), IngestService(intake, live, clock)
    return {
        "opentelemetry.proto.collector.trace.v1.TraceService": partial(
            add_TraceServiceServicer_to_server, traces
        ),
        "leeway_pb.v1.Ingest": partial(add_IngestServicer_to_server, ingest),
    }


def door_of(settings: Settings, tls: TlsFiles | None, admit: Admit) -> Door:
    """The door to applications: they show API keys, and with `tls` see our certificate, unless a proxy shows its own."""
    return Door(
        host=settings.grpc_host,
        port=settings.grpc_port,
        tls=tls if settings.grpc_tls else None,
        between_services=False,
        admit=admit,
        max_message_bytes=settings.grpc_message_bytes,
        max_call_seconds=settings.grpc_call_seconds,
        stop_seconds=settings.grpc_stop_seconds,
    )
