"""Tracing by OpenTelemetry's SDK: spans in batches, over OTLP/HTTP, from a thread of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceState,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

SEND_SECONDS = 5.0
HEADER = "traceparent"

_W3C = TraceContextTextMapPropagator()


class OtlpTracing:
    """A `Tracing` whose spans go to an OTLP/HTTP receiver. `ratio` of the traces are recorded.

    Whether a trace is, follows from its id: processes with the same ratio agree without a word. A caller
    that says its trace is not recorded is followed; one that says it is does not raise the ratio.
    """

    def __init__(self, process: str, endpoint: str, ratio: float) -> None:
        # Everything is said here: the SDK would read its settings from the environment.
        self._provider = TracerProvider(
            sampler=_Sampling(ratio),
            resource=Resource({"service.name": "leeway", "service.instance.id": process}),
            shutdown_on_exit=False,
        )
        url = f"{endpoint.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(url, timeout=SEND_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("leeway")

    @property
    def traceparent(self) -> str:
        """See `Tracing.traceparent`."""
        return _traceparent(get_current_span())

    @contextmanager
    def request(self, name: str, traceparent: str) -> Iterator["_Open"]:
        """See `Tracing.request`."""
        with self._opened(name, SpanKind.SERVER, _context(traceparent), ()) as span:
            yield span

    @contextmanager
    def span(self, name: str, links: Sequence[str] = ()) -> Iterator["_Open"]:
        """See `Tracing.span`."""
        linked = [get_current_span(_context(link)).get_span_context() for link in links]
        kind = SpanKind.CONSUMER if links else SpanKind.INTERNAL
        one_trace = len({context.trace_id for context in linked}) == 1
        parent = _context(links[0]) if one_trace else Context() if links else None
        with self._opened(name, kind, parent, linked) as span:
            yield span

    async def close(self) -> None:
        """See `Tracing.close`."""
        await asyncio.to_thread(self._provider.shutdown)

    @contextmanager
    def _opened(
        self, name: str, kind: SpanKind, parent: Context | None, linked: Sequence[SpanContext]
    ) -> Iterator["_Open"]:
        # An exception's message may hold what people wrote: none is recorded.
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=kind,
            links=[Link(context) for context in linked],
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            opened, whole = _Open(span), False
            try:
                yield opened
                whole = True
            finally:
                if not whole:
                    opened.fail()


class _Open:
    """A `Span` of ours over one of OpenTelemetry's."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def fail(self) -> None:
        self._span.set_status(StatusCode.ERROR)


class _Sampling(Sampler):
    """What links to recorded spans is recorded; everything else as its trace's id says."""

    def __init__(self, ratio: float) -> None:
        by_id = TraceIdRatioBased(ratio)
        self._by_parent = ParentBased(
            root=by_id, remote_parent_sampled=by_id, remote_parent_not_sampled=ALWAYS_OFF
        )

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        sampler = ALWAYS_ON if links else self._by_parent
        return sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return "linked, or by trace id"


def _context(traceparent: str) -> Context:
    """The context of a span elsewhere; empty for what is no `traceparent`."""
    return _W3C.extract({HEADER: traceparent}, Context())


def _traceparent(span: Span) -> str:
    if not span.is_recording():
        return ""
    at = span.get_span_context()
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
