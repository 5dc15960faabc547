"""The gRPC door: OTLP's TraceService."""

from types import TracebackType
from typing import Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.clock import Clock
from shared.errors import LeewayError
from shared.live import LiveView
from shared.rpc import abort, caller_of

SCOPE = "ingest"


class TraceService(TraceServiceServicer):
    """Takes OTLP exports; the caller is known by the same key as over HTTP."""

    def __init__(self, intake: Intake, live: LiveView, clock: Clock) -> None:
        self._intake = intake
        self._live = live
        self._clock = clock

    async def Export(  # noqa: N802 - the name is the protocol's
        self,
        request: ExportTraceServiceRequest,
        context: "grpc.aio.ServicerContext[object, object]",
    ) -> ExportTraceServiceResponse:
        try:
            caller = caller_of(context, self._live, self._clock, SCOPE)
            return await self._intake.export(caller, request)
        except LeewayError as error:
            await abort(context, error)
            raise


class TraceServer:
    """The server of the gRPC door: it listens while it is entered."""

    def __init__(self, service: TraceService, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        limit = self._settings.max_inflated_bytes
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", limit)])
        add_TraceServiceServicer_to_server(self._service, self._server)  # type: ignore[no-untyped-call]
        address = f"{self._settings.grpc_host}:{self._settings.grpc_port}"
        self.port = self._server.add_insecure_port(address)
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            await self._server.stop(self._settings.grpc_stop_seconds)
