"""The traces of a process: where they go, and what of the process takes part in them."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

from services.settings import Installation
from shared.lifecycle import Group, Host
from shared.log.consumer import ConsumerLimits
from shared.log.record import Handler
from shared.telemetry.log import TracedHandler, TracedOutbox
from shared.telemetry.tracing import Tracing
from shared.topics import Topic


def tracing_of(installation: Installation, process: str) -> Tracing | None:
    """Tracing as the settings want it, or None. OpenTelemetry is loaded only where it is wanted."""
    if not installation.otlp_endpoint:
        return None
    otlp = importlib.import_module("shared.telemetry.otlp")
    tracing: Tracing = otlp.OtlpTracing(
        process, installation.otlp_endpoint, installation.trace_ratio
    )
    return tracing


def traced(host: Host, tracing: Tracing | None) -> Host:
    """The host, with its outbox and its groups taking part in traces."""
    if tracing is None:
        return host

    def group(
        name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
    ) -> Group:
        return host.group(name, topics, TracedHandler(name, handler, tracing), limits)

    def tabled(
        name: str,
        topics: Sequence[Topic],
        handler: Handler,
        limits: ConsumerLimits,
        stall_seconds: float,
    ) -> Group:
        assert host.tabled is not None
        traced_handler = TracedHandler(name, handler, tracing)
        return host.tabled(name, topics, traced_handler, limits, stall_seconds)

    return replace(
        host,
        outbox=TracedOutbox(host.outbox, tracing),
        group=group,
        tabled=None if host.tabled is None else tabled,
        tracing=tracing,
    )
