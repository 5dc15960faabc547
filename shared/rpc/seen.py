"""What can be seen of every gRPC call: how often which ended how and how long they took, and a span where traces are wanted."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import grpc
from grpc.aio import AbortError, ServerInterceptor

from shared.clock import Clock
from shared.measured import UNMATCHED
from shared.metrics import GRPC_REQUESTS, GRPC_SECONDS
from shared.rpc.door import Metadata
from shared.rpc.guard import Context, Continuation, Handler
from shared.telemetry.tracing import Span, Tracing

LEFT = grpc.StatusCode.CANCELLED.name  # the client had gone before it was answered

# Those of a server that failed, as OpenTelemetry's conventions for gRPC have it.
_FAILURES = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)

_HANDLERS: Mapping[str, Callable[..., Handler]] = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


class Seen(ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs alone
    """Counts and times what passes, and opens its span; labels are methods that there are, never what a client wrote."""

    def __init__(self, clock: Clock, tracing: Tracing | None = None) -> None:
        self._clock = clock
        self._tracing = tracing

    async def intercept_service(  # type: ignore[override] # the stubs forget the unknown method
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        if handler is None:
            GRPC_REQUESTS.labels(UNMATCHED, "UNIMPLEMENTED").inc()
            return None
        method = handler_call_details.method.removeprefix("/")
        parent = _traceparent(handler_call_details.invocation_metadata or ())
        [(kind, answer)] = [
            (kind, getattr(handler, kind)) for kind in _HANDLERS if getattr(handler, kind)
        ]

        async def seen(request: object, context: Context) -> object:
            with self._counted(method) as ended, self._span(method, parent) as span:
                outcome = await _outcome(answer(request, context))
                ended(_told(span, context))
            return outcome.reply()

        return _HANDLERS[kind](
            seen,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    @contextmanager
    def _counted(self, method: str) -> Iterator[Callable[[str], None]]:
        status = LEFT

        def ended(told: str) -> None:
            nonlocal status
            status = told

        began = self._clock.monotonic()
        try:
            yield ended
        finally:
            GRPC_REQUESTS.labels(method, status).inc()
            GRPC_SECONDS.labels(method).observe(self._clock.monotonic() - began)

    def _span(self, method: str, parent: str) -> AbstractContextManager[Span | None]:
        if self._tracing is None:
            return nullcontext()
        return self._opened(self._tracing, method, parent)

    @contextmanager
    def _opened(self, tracing: Tracing, method: str, parent: str) -> Iterator[Span]:
        with tracing.request(method, parent) as span:
            span.tell("rpc.system.name", "grpc")
            span.tell("rpc.method", method)
            yield span


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a call ended with. An abort is raised behind its span: not each is the server's failure."""

    answer: object = None
    aborted: AbortError | None = None

    def reply(self) -> object:
        if self.aborted is not None:
            raise self.aborted
        return self.answer


async def _outcome(answering: Awaitable[object]) -> _Outcome:
    try:
        return _Outcome(await answering)
    except AbortError as aborted:
        return _Outcome(aborted=aborted)


def _told(span: Span | None, context: Context) -> str:
    """The status of a call that has ended, which its span is told."""
    code: grpc.StatusCode | None = context.code()
    status = grpc.StatusCode.OK.name if code is None else code.name
    if span is not None:
        span.tell("rpc.response.status_code", status)
        if status in _FAILURES:
            span.fail()
    return status


def _traceparent(metadata: Metadata) -> str:
    told = (value for key, value in metadata if key == "traceparent" and isinstance(value, str))
    return next(told, "")
