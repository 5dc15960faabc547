"""What a gRPC server is told of its door: where it is, who may come in, and how much at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.rpc.tls import TlsFiles

MIB = 1024 * 1024

Metadata = Iterable[tuple[str, str | bytes]]
Admit = Callable[[Metadata], None]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server listens, and what it asks of a call.

    Between services, callers show a certificate and set deadlines, and without `tls` the door is on
    loopback or nowhere. Otherwise callers show an API key, and a call without a deadline is given one;
    `admit` raises `Denied` for who may not come in, by the call's metadata and before its message is read.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0 picks a free one
    tls: TlsFiles | None = None
    between_services: bool = True
    admit: Admit | None = None
    max_message_bytes: int = MIB
    message_seconds: float = 10.0  # for a message to arrive, once it is being read
    max_calls: int = 1_000
    max_call_seconds: float = 900.0
    stop_seconds: float = 5.0
