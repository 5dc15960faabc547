"""The gRPC server of a process: health, limits, deadlines, and mutual TLS where there are certificates."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import grpc

from shared.addresses import is_loopback
from shared.bodies import FREE_BYTES, Bodies
from shared.clock import Clock
from shared.errors import Conflict, Invalid
from shared.rpc.door import Door
from shared.rpc.guard import Guard
from shared.rpc.health import Health
from shared.rpc.messages import Messages
from shared.rpc.seen import Seen
from shared.rpc.tls import server_credentials
from shared.telemetry.tracing import Tracing

# A peer that is gone is noticed within a minute; a client may ask as often as our channels do.
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 45_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 15_000),
)

# What is not read yet stays within one window of HTTP/2 per call: it would grow on a fast line.
_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", FREE_BYTES))

Register = Callable[[grpc.aio.Server], None]


class RpcServer:
    """Listens while it is entered; `services` says by full name how each is added to a server.

    Raises `Invalid` for a door between services that is neither on loopback nor has `tls`. Health
    answers as `health` says, which serves from the start unless given. There is no reflection.
    Messages share the budget of `bodies` with whatever else the process holds; `tracing`, where it is
    wanted, has a span of each call.
    """

    def __init__(
        self,
        door: Door,
        services: Mapping[str, Register],
        clock: Clock,
        health: Health | None = None,
        *,
        bodies: Bodies | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        _require_loopback(door)
        self._door = door
        self._services = services
        self._clock = clock
        self._server: grpc.aio.Server | None = None
        self._health = health or Health()
        self._seen = Seen(clock, tracing)
        self._guard = Guard(door, Messages(door, bodies or Bodies()))
        self.port = 0

    async def __aenter__(self) -> Self:
        largest = self._door.max_message_bytes
        server = grpc.aio.server(
            interceptors=[self._seen, self._guard],
            options=[("grpc.max_receive_message_length", largest), *_KEEPALIVE, *_WINDOW],
        )
        await self._health.open(server, tuple(self._services))
        for register in self._services.values():
            register(server)
        self.port = self._bind(server)
        await server.start()
        self._server = server
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._health.close()
        if self._server is not None:
            await self._server.stop(self._door.stop_seconds)

    def _bind(self, server: grpc.aio.Server) -> int:
        door = self._door
        address = f"[{door.host}]:{door.port}" if ":" in door.host else f"{door.host}:{door.port}"
        try:
            if door.tls is None:
                return server.add_insecure_port(address)
            credentials = server_credentials(door.tls, self._clock, mutual=door.between_services)
            return server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise Conflict(f"gRPC cannot listen on {address}: is the port taken?") from error


def _require_loopback(door: Door) -> None:
    if door.tls is None and door.between_services and not is_loopback(door.host):
        raise Invalid(
            f"gRPC between services on {door.host} needs certificates: "
            "make them with `leeway certs`, and set LEEWAY_TLS_CA, LEEWAY_TLS_CERT and LEEWAY_TLS_KEY."
        )
