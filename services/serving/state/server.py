"""One worker's connections to the Valkey or Redis server that a cluster shares."""

from types import TracebackType
from typing import Any, Self

import structlog
from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.exceptions import ValkeyError

from services.serving.state.port import StateAway
from shared.clock import Clock
from shared.errors import Invalid
from shared.metrics import STATE_FAILURES

log = structlog.get_logger()

_REST_SECONDS = 1.0
_CONNECTIONS = 64


class Server:
    """What lies on the server is asked through `asked`; open it before use.

    A server that does not answer within `timeout_seconds` is left alone for a second: until then each step
    raises `StateAway` at once, so that what does without it is not slowed down. `url` is that of the client
    library: `valkey://` or `redis://`, with TLS `valkeys://` or `rediss://`, or `unix://`; a password stands in
    it, `?ssl_ca_certs=` names whom to trust. Raises `Invalid` for one that cannot be read.
    """

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float) -> None:
        self._clock = clock
        self._away_until = 0.0
        try:
            pool = BlockingConnectionPool.from_url(
                _of_this_library(url),
                max_connections=_CONNECTIONS,
                timeout=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
            )
        except ValueError as fault:
            raise Invalid(f"The URL of the shared state is wrong: {fault}.") from None
        self.client = Valkey.from_pool(pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.client.aclose()

    async def asked(self, step: Any, *told: Any) -> Any:
        """The server's answer. Raises `StateAway`, for a while without asking."""
        if self._clock.monotonic() < self._away_until:
            raise StateAway("its server did not answer a moment ago")
        try:
            return await step(*told)
        except (ValkeyError, OSError) as fault:
            self._away_until = self._clock.monotonic() + _REST_SECONDS
            STATE_FAILURES.inc()
            # The kind alone: the sentence may hold the address, and with it a password.
            log.warning("state.away", error=type(fault).__name__)
            raise StateAway(f"its server failed ({type(fault).__name__})") from fault


def _of_this_library(url: str) -> str:
    """Redis' schemes are the library's, too, under another name."""
    return url.replace("redis", "valkey", 1) if url.startswith("redis") else url
