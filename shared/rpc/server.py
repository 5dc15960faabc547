"""The gRPC server of a process: health, limits, deadlines, and mutual TLS where there are certificates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import grpc

from shared.clock import Clock
from shared.errors import Conflict, Invalid
from shared.rpc.guard import Guard
from shared.rpc.health import Health
from shared.rpc.tls import TlsFiles, server_credentials

MIB = 1024 * 1024

# A peer that is gone is noticed within a minute; a client may ask as often as our channels do.
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 45_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 15_000),
)

Register = Callable[[grpc.aio.Server], None]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server listens, and what it asks of a call.

    Between services, callers show a certificate and set deadlines, and without `tls` the door is on
    loopback or nowhere. Otherwise callers show an API key, and a call without a deadline is given one.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0 picks a free one
    tls: TlsFiles | None = None
    between_services: bool = True
    max_message_bytes: int = MIB
    max_calls: int = 1_000
    max_call_seconds: float = 900.0
    stop_seconds: float = 5.0


class RpcServer:
    """Listens while it is entered; `services` says by full name how each is added to a server.

    Raises `Invalid` for a door between services that is neither on loopback nor has `tls`. Health
    answers as `health` says, which serves from the start unless given. There is no reflection.
    """

    def __init__(
        self,
        door: Door,
        services: Mapping[str, Register],
        clock: Clock,
        health: Health | None = None,
    ) -> None:
        _require_loopback(door)
        self._door = door
        self._services = services
        self._clock = clock
        self._server: grpc.aio.Server | None = None
        self._health = health or Health()
        self.port = 0

    async def __aenter__(self) -> Self:
        door = self._door
        server = grpc.aio.server(
            interceptors=[Guard(required=door.between_services, max_seconds=door.max_call_seconds)],
            options=[("grpc.max_receive_message_length", door.max_message_bytes), *_KEEPALIVE],
            maximum_concurrent_rpcs=door.max_calls,
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
    if door.tls is None and door.between_services and not _is_loopback(door.host):
        raise Invalid(
            f"gRPC between services on {door.host} needs certificates: "
            "make them with `leeway certs`, and set LEEWAY_TLS_CA, LEEWAY_TLS_CERT and LEEWAY_TLS_KEY."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
