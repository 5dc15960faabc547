"""The gRPC channel to a service: connected at its first call, kept alive, and patient within a budget."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc
from grpc.aio import UnaryUnaryClientInterceptor

from shared.rpc.tls import TlsFiles, channel_credentials

CALL_SECONDS = 10.0

# Longer than the interval that our servers allow, so that none takes it for an attack.
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A service to ask: where it answers, the name its certificate must bear, and ours.

    Without `tls` the channel is plain: for loopback.
    """

    name: str
    address: str
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class Retries:
    """How a call that met UNAVAILABLE is tried again, by gRPC itself (gRFC A6).

    The budget is the channel's: each failure costs a token, each success gives `refund` back, and
    below half of `budget` nothing is tried again, so that retries never keep a sick service down.
    """

    attempts: int = 4
    first_seconds: float = 0.1
    last_seconds: float = 2.0
    budget: int = 10
    refund: float = 0.1


def rpc_channel(peer: Peer, now: datetime, *, retries: Retries | None = None) -> grpc.aio.Channel:
    """A channel to the peer; it connects at the first call. Raises `Invalid` for wrong certificates.

    A call with one reply ends after `CALL_SECONDS` unless its caller says otherwise; for a stream the
    caller must say, or the server refuses it.
    """
    options = [("grpc.service_config", service_config(retries or Retries())), *_KEEPALIVE]
    interceptors: Any = [_Deadline()]
    if peer.tls is None:
        return grpc.aio.insecure_channel(peer.address, options, interceptors=interceptors)
    # Who answers is decided by the service's name in its certificate, wherever it runs.
    options.append(("grpc.ssl_target_name_override", peer.name))
    credentials = channel_credentials(peer.tls.read(now))
    return grpc.aio.secure_channel(peer.address, credentials, options, interceptors=interceptors)


def service_config(retries: Retries) -> str:
    """gRPC's service config: retries and their budget, and every address of the peer in turn."""
    policy = {
        "maxAttempts": retries.attempts,
        "initialBackoff": f"{retries.first_seconds}s",
        "maxBackoff": f"{retries.last_seconds}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps(
        {
            "methodConfig": [{"name": [{}], "retryPolicy": policy}],
            "retryThrottling": {"maxTokens": retries.budget, "tokenRatio": retries.refund},
            "loadBalancingConfig": [{"round_robin": {}}],
        }
    )


class _Deadline(UnaryUnaryClientInterceptor):  # type: ignore[type-arg] # generic in the stubs alone
    """Sets the deadline here: the timeout of a service config is never told to the server."""

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: object
    ) -> Any:
        if client_call_details.timeout is None:
            client_call_details = client_call_details._replace(timeout=CALL_SECONDS)
        return await continuation(client_call_details, request)
