"""The gRPC channel to a service: connected at its first call, kept alive, and patient within a budget."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import grpc

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


def rpc_channel(
    peer: Peer, now: datetime, *, long_calls: Sequence[str] = (), retries: Retries | None = None
) -> grpc.aio.Channel:
    """A channel to the peer; it connects at the first call. Raises `Invalid` for wrong certificates.

    Every call ends after `CALL_SECONDS` or earlier, but `long_calls` ("package.Service/Method"), which
    bring their own deadline.
    """
    options = [
        ("grpc.service_config", service_config(retries or Retries(), long_calls)),
        ("grpc.enable_retries", 1),
        *_KEEPALIVE,
    ]
    if peer.tls is None:
        return grpc.aio.insecure_channel(peer.address, options=options)
    # Who answers is decided by the service's name in its certificate, wherever it runs.
    named = [("grpc.ssl_target_name_override", peer.name)]
    credentials = channel_credentials(peer.tls.read(now))
    return grpc.aio.secure_channel(peer.address, credentials, options=[*options, *named])


def service_config(retries: Retries, long_calls: Sequence[str]) -> str:
    """gRPC's service config: default deadline, retries and their budget, all addresses in turn."""
    long_names = [
        dict(zip(("service", "method"), call.split("/"), strict=True)) for call in long_calls
    ]
    every = {
        "name": [{}],
        "timeout": f"{CALL_SECONDS}s",
        "retryPolicy": {
            "maxAttempts": retries.attempts,
            "initialBackoff": f"{retries.first_seconds}s",
            "maxBackoff": f"{retries.last_seconds}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    return json.dumps(
        {
            "methodConfig": [every, *([{"name": long_names}] if long_names else [])],
            "retryThrottling": {"maxTokens": retries.budget, "tokenRatio": retries.refund},
            "loadBalancingConfig": [{"round_robin": {}}],
        }
    )
