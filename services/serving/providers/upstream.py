"""HTTP to upstreams: pooled connections, three timeouts, bounded replies, and failures by name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import orjson
from yarl import URL

from services.serving.domain.failure import malformed, refused, timed_out, unreachable
from services.serving.providers.credentials import Credentials
from shared.telemetry.tracing import Tracing

# What an upstream's refusal may tell the client beside its body.
_PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")
# Of an error's body: more is no message.
_MAX_ERROR_BYTES = 64 * 1024
# How long the end of a stream may lag behind its last event.
_READ_OUT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """How long an upstream may take, how many connections to it are open, how large a reply may be."""

    connect_seconds: float = 10.0
    idle_seconds: float = 300.0
    total_seconds: float = 1800.0
    connections: int = 1024
    keep_alive_seconds: float = 15.0
    max_reply_bytes: int = 32 * 1024 * 1024
    max_event_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A reply that is an error: `body` is its JSON object (empty for none), `headers` are by names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


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
    """One session for every upstream of the process; open it before use."""

    def __init__(self, limits: UpstreamLimits, tracing: Tracing | None = None) -> None:
        self.limits = limits
        self._tracing = tracing
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        limits = self.limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=limits.connections,
                keepalive_timeout=limits.keep_alive_seconds,
            ),
            # Cookies of one tenant's call must not travel with another's.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=limits.total_seconds,
                sock_connect=limits.connect_seconds,
                sock_read=limits.idle_seconds,
            ),
            # A compressed reply costs both sides time, and may hide a bomb.
            headers={"user-agent": "leeway", "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, target: Target, body: bytes) -> bytes:
        """The body of a reply with status 200. Raises `UpstreamFailed` for everything else."""
        limit = self.limits.max_reply_bytes
        async with self._replied(target, body) as response:
            reply = await _whole(response, target.provider, limit)
        if reply is None:
            raise malformed(target.provider, f"answered with more than {limit} bytes")
        return reply

    @asynccontextmanager
    async def events(self, target: Target, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an event stream, chunk by chunk as they come.

        Entering raises `UpstreamFailed` unless the status is 200 and the reply an event stream; so
        does reading when the connection ends before its time.
        """
        async with self._replied(target, body) as response:
            if response.content_type != target.stream_type:
                what = f"answered a stream with {response.content_type!r}"
                raise malformed(target.provider, what, status=response.status)
            yield _chunks(response, target.provider)
            await _read_out(response)

    @asynccontextmanager
    async def _replied(self, target: Target, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "UpstreamHttp is used before it is opened"
        with _named_failures(target.provider):
            response = await self._session.post(
                target.url, data=body, headers=self._headers(target), allow_redirects=False
            )
        try:
            await _refuse_all_but_200(response, target)
            yield response
        finally:
            # Keeps the connection when the reply was read to its end, and closes it otherwise.
            response.release()

    def _headers(self, target: Target) -> Mapping[str, str]:
        """The caller's own trace goes on; where it has none, ours does."""
        ours = self._tracing.traceparent if self._tracing is not None else ""
        return {"traceparent": ours, **target.headers} if ours else target.headers


async def _whole(response: aiohttp.ClientResponse, provider: str, limit: int) -> bytes | None:
    """The body of a reply; None when it is larger than `limit` bytes."""
    body = bytearray()
    with _named_failures(provider):
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > limit:
                return None
    return bytes(body)


async def _chunks(response: aiohttp.ClientResponse, provider: str) -> AsyncIterator[bytes]:
    while True:
        with _named_failures(provider):
            chunk = await response.content.readany()
        if not chunk:
            return
        yield chunk


async def _read_out(response: aiohttp.ClientResponse) -> None:
    """Take the end of a reply whose last event has come, so that its connection can be used again."""
    if response.content.at_eof():
        return
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_READ_OUT_SECONDS):
            await response.content.readany()


async def _refuse_all_but_200(response: aiohttp.ClientResponse, target: Target) -> None:
    if response.status == 200:
        return
    if response.status < 400:
        raise malformed(
            target.provider, f"answered with status {response.status}", status=response.status
        )
    body = await _whole(response, target.provider, _MAX_ERROR_BYTES) or b""
    hidden = target.credentials.hidden_in(_error_body(body))
    headers = {name.lower(): value for name, value in response.headers.items()}
    told = target.read_error(ErrorReply(response.status, hidden, headers))
    passed_on = {name: told.headers[name] for name in _PASSED_ON if name in told.headers}
    raise refused(target.provider, told.status, told.body, passed_on)


def _error_body(body: bytes) -> bytes:
    """The body if it is a JSON object, else nothing."""
    try:
        return body if isinstance(orjson.loads(body), dict) else b""
    except orjson.JSONDecodeError:
        return b""


@contextmanager
def _named_failures(provider: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as fault:
        raise timed_out(provider) from fault
    except (aiohttp.ServerDisconnectedError, ConnectionResetError) as fault:
        raise unreachable(
            provider, "closed the connection without a reply", dropped=True
        ) from fault
    except aiohttp.ClientConnectionError as fault:
        raise unreachable(provider, "cannot be reached") from fault
    except aiohttp.ClientPayloadError as fault:
        raise unreachable(provider, "broke its reply off") from fault
    except (aiohttp.ClientError, ValueError) as fault:
        raise malformed(provider, "does not speak HTTP as it should", status=0) from fault
