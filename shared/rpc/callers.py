"""Who is calling over gRPC: a tenant by its API key, or a service by its certificate."""

from collections.abc import Collection, Mapping

from grpc.aio import ServicerContext

from shared.clock import Clock
from shared.errors import Denied
from shared.http import caller_by
from shared.live import Caller, LiveView
from shared.rpc.door import Admit, Metadata


def caller_of(
    context: "ServicerContext[object, object]", live: LiveView, clock: Clock, scope: str
) -> Caller:
    """Who is calling, by the metadata `authorization` or `x-api-key`; raises `Denied`."""
    return caller_by(_headers(context.invocation_metadata() or ()), live, clock, scope)


def admission(live: LiveView, clock: Clock, scope: str) -> Admit:
    """Who a door lets in: callers as `caller_of` knows them, and nobody else."""

    def admit(metadata: Metadata) -> None:
        caller_by(_headers(metadata), live, clock, scope)

    return admit


def require_service(context: "ServicerContext[object, object]", services: Collection[str]) -> None:
    """Raises `Denied` unless the caller's certificate bears the DNS name of one of the services.

    A port without TLS is open on loopback alone (`shared.rpc.server`): there everyone is this machine.
    """
    seen = context.auth_context()
    if b"ssl" not in seen.get("transport_security_type", ()):
        return
    names = {name.decode("ascii", "replace") for name in seen.get("peer_dns", ())}
    if names.isdisjoint(services):
        raise Denied(
            f"The certificate of '{', '.join(sorted(names))}' may not ask this: "
            f"expected one of {', '.join(sorted(services))}."
        )


def _headers(metadata: Metadata) -> Mapping[str, str]:
    return {key: value for key, value in metadata if isinstance(value, str)}
