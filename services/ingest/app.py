"""Composition of ingest: doors -> intake -> outbox."""

from services.ingest.api import Api
from services.ingest.rpc import SCOPE, door_of, services_of
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.lifecycle import App, Host
from shared.rpc.callers import admission
from shared.rpc.server import RpcServer


def build(settings: Settings, host: Host) -> App:
    """Ingest's HTTP routes, and its gRPC server when it has a port."""
    intake = Intake(host.outbox, host.live, host.clock)
    api = Api(intake, host.live, host.clock, settings)
    door = door_of(settings, host.tls, admission(host.live, host.clock, SCOPE))
    services = services_of(intake, host.live, host.clock)
    server = RpcServer(door, services, host.clock, bodies=host.bodies, tracing=host.tracing)
    return App(
        name="ingest",
        routes=api.routes(),
        resources=[server] if settings.grpc_port else [],
    )
