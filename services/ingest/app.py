"""Composition of ingest: doors -> intake -> outbox."""

from services.ingest.api import Api
from services.ingest.rpc import TraceServer, TraceService
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.lifecycle import App, Host


def build(settings: Settings, host: Host) -> App:
    """Ingest's HTTP routes, and its gRPC server when it has a port."""
    intake = Intake(host.outbox, host.live, host.clock)
    api = Api(intake, host.live, host.clock, settings)
    traces = TraceServer(TraceService(intake, host.live, host.clock), settings)
    return App(
        name="ingest",
        routes=api.routes(),
        resources=[traces] if settings.grpc_port else [],
    )
