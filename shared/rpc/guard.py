"""The interceptor of every gRPC server: who may call, how long and how many at once, and each error's status."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, TypeAlias

import grpc
import structlog
from grpc.aio import BaseError, ServerInterceptor, ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest

from shared.errors import Invalid, LeewayError, Unavailable
from shared.rpc.door import Door, Metadata
from shared.rpc.errors import status_of, trailers_of
from shared.rpc.messages import Decode, Messages

log = structlog.get_logger()

HEALTH = "/grpc.health.v1.Health/"
RETRY_SECONDS = 1.0

# Quoted: the classes are generic in their stubs alone.
Context: TypeAlias = "ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class Guard(ServerInterceptor):  # type: ignore[type-arg]
    """Ends calls after the door's longest time, or refuses those that brought no deadline between services.

    Who may not come in, and one call too many, is refused before its message is read; so each handler is
    handed on as one that reads by itself, since gRPC reads for all others before it calls them. Errors of
    the tree end a call with their status; services just raise them.
    """

    def __init__(self, door: Door, messages: Messages) -> None:
        self._door = door
        self._messages = messages
        self._calls = 0

    async def intercept_service(  # type: ignore[override] # the stubs forget the unknown method
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler_call_details.method.startswith(HEALTH):
            return handler if self._door.admit is None else _unread(handler)
        metadata: Metadata = handler_call_details.invocation_metadata or ()
        if handler.unary_unary is not None:
            return self._unary(handler, metadata)
        if handler.unary_stream is not None:
            return self._stream(handler, metadata)
        raise TypeError(
            f"{handler_call_details.method}: calls that stream requests are not guarded"
        )

    def _unary(self, handler: Handler, metadata: Metadata) -> Handler:
        answer: Any = handler.unary_unary
        decode: Decode = _decoder(handler)

        async def guarded(_: object, context: Context) -> object:
            async with self._guarding(context, metadata, decode) as request:
                return await answer(request, context)

        return grpc.stream_unary_rpc_method_handler(
            guarded, response_serializer=handler.response_serializer
        )

    def _stream(self, handler: Handler, metadata: Metadata) -> Handler:
        answer: Any = handler.unary_stream
        decode: Decode = _decoder(handler)

        async def guarded(_: object, context: Context) -> None:
            async with (
                self._guarding(context, metadata, decode) as request,
                aclosing(answer(request, context)) as replies,
            ):
                async for reply in replies:
                    await context.write(reply)

        return grpc.stream_stream_rpc_method_handler(
            guarded, response_serializer=handler.response_serializer
        )

    @asynccontextmanager
    async def _guarding(
        self, context: Context, metadata: Metadata, decode: Decode
    ) -> AsyncIterator[object]:
        async with (
            _Discretion(context),
            self._limits(context, metadata),
            self._messages.read(context, decode) as request,
        ):
            yield request

    @asynccontextmanager
    async def _limits(self, context: Context, metadata: Metadata) -> AsyncIterator[None]:
        timer = asyncio.timeout(self._seconds(context))
        try:
            self._admit(context, metadata)
            with self._place():
                async with timer:
                    yield
        except LeewayError as error:
            await context.abort(status_of(error), error.message, trailers_of(error))
        except TimeoutError:
            if not timer.expired():
                raise
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The call took too long.")

    def _admit(self, context: Context, metadata: Metadata) -> None:
        if self._door.admit is not None:
            self._door.admit(metadata)
        if self._door.between_services and context.time_remaining() is None:
            raise Invalid("The call has no deadline: set one.")

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the calls at once. gRPC's own limit counts before it is known who calls."""
        if self._calls >= self._door.max_calls:
            raise Unavailable("Too many calls at once.", retry_after_seconds=RETRY_SECONDS)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def _seconds(self, context: Context) -> float:
        longest, remaining = self._door.max_call_seconds, context.time_remaining()
        return longest if remaining is None else min(remaining, longest)


def _decoder(handler: Handler) -> Decode:
    """How the handler's messages are read."""
    assert handler.request_deserializer is not None  # generated code always brings one
    return handler.request_deserializer


def _unread(handler: Handler) -> "Handler | None":
    """Health for who shows nothing: `Check` reads nothing and answers for all, and `Watch`, without end, is not there."""
    answer: Any = handler.unary_unary
    if answer is None:
        return None

    async def check(_: object, context: Context) -> object:
        return await answer(HealthCheckRequest(), context)

    return grpc.stream_unary_rpc_method_handler(
        check, response_serializer=handler.response_serializer
    )


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
        # gRPC's own say that the call has ended: it was aborted, or its client is gone.
        if isinstance(error, Exception) and not isinstance(error, BaseError):
            log.error("rpc.crashed", exc_info=error)
            await self._context.abort(
                grpc.StatusCode.INTERNAL, "The server failed; its log says why."
            )
