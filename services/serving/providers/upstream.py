"""HTTP to upstreams: pooled connections, three timeouts, bounded replies, and failures by name."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson
from yarl import URL

from services.serving.domain.failure import (
    UpstreamFailed,
    malformed,
    refused,
    timed_out,
    unreachable,
)
from services.serving.providers.credentials import Credentials
from services.serving.transport.pools import Pools
from services.serving.transport.port import (
    BrokenOff,
    Dropped,
    Exchange,
    Late,
    Post,
    TransportFault,
    TransportLimits,
    Unconnected,
    place_of,
)
from shared.live import Provider
from shared.telemetry.tracing import Tracing

# What an upstream's refusal may tell the client beside its body.
_PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")
# Of an error's body: more is no message.
_MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """How long an upstream may take, how many connections to it are open, how large a reply may be.

    `warm_connections` is how many idle ones a provider has at least, from the start on.
    """

    connect_seconds: float = 10.0
    idle_seconds: float = 300.0
    total_seconds: float = 1800.0
    connections: int = 1024
    keep_alive_seconds: float = 15.0
    warm_connections: int = 0
    max_reply_bytes: int = 32 * 1024 * 1024
    max_event_bytes: int = 8 * 1024 * 1024

    @property
    def of_transport(self) -> TransportLimits:
        return TransportLimits(
            connect_seconds=self.connect_seconds,
            idle_seconds=self.idle_seconds,
            total_seconds=self.total_seconds,
            connections=self.connections,
            keep_alive_seconds=self.keep_alive_seconds,
            ready=self.warm_connections,
        )


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A reply that is an error: `body` is its JSON object (empty for none), `headers` are by names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply that has begun: its headers by names in lower case, and its body chunk by chunk as it comes."""

    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


def _as_it_is(reply: ErrorReply) -> ErrorReply:
    return reply


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, as whom: the provider's name, the URL, headers, and the credentials among them.

    `read_error` gives a refusal the format that clients read. `stream_type` is the content type of its streams.
    """

    provider: str
    url: URL
    headers: Mapping[str, str]
    credentials: Credentials
    read_error: Callable[[ErrorReply], ErrorReply] = _as_it_is
    stream_type: str = "text/event-stream"


class UpstreamHttp:
    """The connections to every upstream of the process; open it before use."""

    def __init__(self, limits: UpstreamLimits, tracing: Tracing | None = None) -> None:
        self.limits = limits
        self._tracing = tracing
        self._pools = Pools(limits.of_transport)
        self._http2 = False

    def spoken_by(self, provider: Provider) -> Self:
        """The same as a provider speaks it: with its option `http2`, HTTP/2, by agreement under TLS, by prior
        knowledge without. It is open while this one is."""
        if provider.options.get("http2") is not True:
            return self
        twin = copy(self)
        twin._http2 = True
        return twin

    async def __aenter__(self) -> Self:
        await self._pools.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pools.__aexit__(kind, error, trace)

    async def warm(self, url: URL) -> None:
        """Have connections ready to where a URL leads. Where it leads nowhere, a call says so: not this."""
        with suppress(TransportFault, ValueError):
            await self._pools.warm(place_of(url, http2=self._http2).origin)

    async def post(self, target: Target, body: bytes) -> bytes:
        """The body of a reply with status 200. Raises `UpstreamFailed` for everything else."""
        limit = self.limits.max_reply_bytes
        exchange = await self._ask(target, body)
        try:
            reply = await exchange.whole(limit)
            if exchange.status != 200:
                raise _refusal(target, exchange, reply)
        except TransportFault as fault:
            raise _failure(target.provider, fault) from fault
        finally:
            exchange.leave(whole=False)
        if reply is None:
            raise malformed(target.provider, f"answered with more than {limit} bytes")
        return reply

    @asynccontextmanager
    async def events(self, target: Target, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an event stream, chunk by chunk as they come.

        Entering raises `UpstreamFailed` unless the status is 200 and the reply an event stream; so
        does reading when the connection ends before its time. Who leaves the block without a fault has
        read all that it wanted.
        """
        exchange = await self._ask(target, body)
        read = False
        try:
            await _begun(target, exchange)
            yield _chunks(exchange, target.provider)
            read = True
        finally:
            exchange.leave(whole=read)

    @asynccontextmanager
    async def reply(
        self, target: Target, body: bytes, method: str = "POST"
    ) -> AsyncIterator["Incoming"]:
        """A reply of whatever type, as it comes. Entering raises `UpstreamFailed` unless it is a success.

        Who leaves the block without a fault has read all that it wanted.
        """
        exchange = await self._ask(target, body, method)
        read = False
        try:
            await _headed(target, exchange, range(200, 300))
            yield Incoming(exchange.headers, _chunks(exchange, target.provider))
            read = True
        finally:
            exchange.leave(whole=read)

    async def _ask(self, target: Target, body: bytes, method: str = "POST") -> Exchange:
        try:
            place = place_of(target.url, http2=self._http2)
            post = Post(place.path, self._headers(target), body, method)
            return await self._pools.ask(place, post)
        except TransportFault as fault:
            raise _failure(target.provider, fault) from fault
        except ValueError as fault:
            raise UpstreamFailed(
                f"The provider {target.provider!r} cannot be asked: {fault}",
                code="provider_misconfigured",
                status=503,
            ) from fault

    def _headers(self, target: Target) -> Mapping[str, str]:
        """The caller's own trace goes on; where it has none, ours does."""
        ours = self._tracing.traceparent if self._tracing is not None else ""
        return {"traceparent": ours, **target.headers} if ours else target.headers


async def _headed(target: Target, exchange: Exchange, accepted: range) -> None:
    """Wait for the head of a reply. Raises `UpstreamFailed` for a status that is not accepted."""
    try:
        await exchange.head()
        if exchange.status not in accepted:
            raise _refusal(target, exchange, await exchange.whole(_MAX_ERROR_BYTES))
    except TransportFault as fault:
        raise _failure(target.provider, fault) from fault


async def _begun(target: Target, exchange: Exchange) -> None:
    """Wait for the head of a stream's reply. Raises `UpstreamFailed` for any but a stream's."""
    await _headed(target, exchange, range(200, 201))
    media_type = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != target.stream_type:
        raise malformed(target.provider, f"answered a stream with {media_type!r}")


async def _chunks(exchange: Exchange, provider: str) -> AsyncIterator[bytes]:
    try:
        while chunk := await exchange.read():
            yield chunk
    except TransportFault as fault:
        raise _failure(provider, fault) from fault


def _refusal(target: Target, exchange: Exchange, body: bytes | None) -> UpstreamFailed:
    """What a status other than 200 means; of its body only as much is told as can be a message."""
    status = exchange.status
    if status < 400:
        return malformed(target.provider, f"answered with status {status}", status=status)
    said = body if body and len(body) <= _MAX_ERROR_BYTES else b""
    hidden = target.credentials.hidden_in(_error_body(said))
    told = target.read_error(ErrorReply(status, hidden, exchange.headers))
    passed_on = {name: told.headers[name] for name in _PASSED_ON if name in told.headers}
    return refused(target.provider, told.status, told.body, passed_on)


def _error_body(body: bytes) -> bytes:
    """The body if it is a JSON object, else nothing."""
    try:
        return body if isinstance(orjson.loads(body), dict) else b""
    except orjson.JSONDecodeError:
        return b""


def _failure(provider: str, fault: TransportFault) -> UpstreamFailed:
    match fault:
        case Late():
            return timed_out(provider)
        case Dropped():
            return unreachable(provider, "closed the connection without a reply", dropped=True)
        case Unconnected():
            return unreachable(provider, "cannot be reached")
        case BrokenOff():
            return unreachable(provider, "broke its reply off")
        case _:
            return malformed(provider, "does not speak HTTP as it should", status=0)
