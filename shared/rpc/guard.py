"""The interceptor of every gRPC server: each call has a deadline, and each error its status."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeAlias

import grpc
import structlog
from grpc.aio import AbortError, ServerInterceptor, ServicerContext

from shared.errors import Invalid, LeewayError
from shared.rpc.errors import status_of, trailers_of

log = structlog.get_logger()

HEALTH = "/grpc.health.v1.Health/"

# Quoted: the classes are generic in their stubs alone.
Context: TypeAlias = "ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class Guard(ServerInterceptor):  # type: ignore[type-arg]
    """Ends calls after `max_seconds`, or refuses those that brought no deadline when it is `required`.

    Errors of the tree end a call with their status; services just raise them. Health is asked by
    orchestrators and load balancers, whose watch has no end: it passes unguarded.
    """

    def __init__(self, *, required: bool, max_seconds: float) -> None:
        self._required = required
        self._max_seconds = max_seconds

    async def intercept_service(  # type: ignore[override] # the stubs forget the unknown method
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH):
            return handler
        if handler.unary_unary is not None:
            return self._unary(handler)
        if handler.unary_stream is not None:
            return self._stream(handler)
        raise TypeError(
            f"{handler_call_details.method}: calls that stream requests are not guarded"
        )

    def _unary(self, handler: Handler) -> Handler:
        answer: Any = handler.unary_unary

        async def guarded(request: object, context: Context) -> object:
            async with self._guarding(context):
                return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            guarded,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _stream(self, handler: Handler) -> Handler:
        answer: Any = handler.unary_stream

        async def guarded(request: object, context: Context) -> AsyncIterator[object]:
            async with self._guarding(context):
                async for reply in answer(request, context):
                    yield reply

        return grpc.unary_stream_rpc_method_handler(
            guarded,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    @asynccontextmanager
    async def _guarding(self, context: Context) -> AsyncIterator[None]:
        async with _Discretion(context), self._limits(context):
            yield

    @asynccontextmanager
    async def _limits(self, context: Context) -> AsyncIterator[None]:
        timer = asyncio.timeout(self._seconds(context))
        try:
            if self._required and context.time_remaining() is None:
                raise Invalid("The call has no deadline: set one.")
            async with timer:
                yield
        except LeewayError as error:
            await context.abort(status_of(error), error.message, trailers_of(error))
        except TimeoutError:
            if not timer.expired():
                raise
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The call took too long.")

    def _seconds(self, context: Context) -> float:
        remaining: float | None = context.time_remaining()
        return self._max_seconds if remaining is None else min(remaining, self._max_seconds)


class _Discretion:
    """Ends a call that crashed without a word of why: that may hold what nobody else may read."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, AbortError):
            log.error("rpc.crashed", exc_info=error)
            await self._context.abort(
                grpc.StatusCode.INTERNAL, "The server failed; its log says why."
            )
