"""What a transport is asked and what it gives: an origin, a request, an exchange, and the faults of both.

TransportFault
├── Unconnected   no connection came about
├── Dropped       the connection ended before a byte of a reply: it may be asked again
├── BrokenOff     the connection ended within a reply
├── Late          a deadline passed
└── Unreadable    what came is not the protocol
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from yarl import URL


class TransportFault(Exception):
    """No reply came, or not the whole of one."""


class Unconnected(TransportFault):
    """No connection came about: the name, the network, the certificate."""


class Dropped(TransportFault):
    """The connection ended before a byte of a reply, as a kept-alive one does when its server closes it."""


class BrokenOff(TransportFault):
    """The connection ended within a reply."""


class Late(TransportFault):
    """A deadline passed: of connecting, of silence, or of the whole exchange."""


class Unreadable(TransportFault):
    """What came is not the protocol, or larger than its frame may be."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How long an exchange may take, how many connections an origin has, and for how long idle ones are kept.

    `ready` is how many idle connections a warmed origin has at least.
    """

    connect_seconds: float = 10.0
    idle_seconds: float = 300.0
    total_seconds: float = 1800.0
    connections: int = 1024
    keep_alive_seconds: float = 15.0
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a connection is to; `authority` is what its requests say in Host."""

    secure: bool
    host: str
    port: int
    authority: str
    http2: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """A request: a path with its query, header names in lower case, and the whole body.

    `method` is one of HTTP's that a provider's API is asked by, and never what a client wrote.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


class Exchange(Protocol):
    """A request that was sent, and its reply as it comes. Its methods raise `TransportFault`.

    Whoever got it leaves it exactly once; afterwards nothing of it may be asked.
    """

    @property
    def status(self) -> int:
        """The reply's status, once `head` or `whole` has returned."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's headers by their names in lower case; what stands twice is joined by commas."""
        ...

    async def head(self) -> None:
        """Wait for the status and the headers."""
        ...

    async def whole(self, limit: int) -> bytes | None:
        """The whole body, or what of it is not read yet; None as soon as that is more than `limit` bytes."""
        ...

    async def read(self) -> bytes:
        """What has come of the body since the last time, at least a byte; nothing once it has ended."""
        ...

    def leave(self, *, whole: bool) -> None:
        """Give the connection back. `whole`: all that was wanted has come, and the end is on its way.

        Otherwise an exchange whose reply has not ended is broken off: the upstream stops working on it.
        """
        ...


class Pool(Protocol):
    """The connections of one origin."""

    async def ask(self, post: Post) -> Exchange:
        """Send a request as soon as a connection is free. Raises `TransportFault`."""
        ...

    async def warm(self) -> None:
        """Have as many idle connections as shall be ready. Raises `TransportFault`."""
        ...

    async def close(self) -> None:
        """Close every connection, those in use too."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A URL as a transport reads it."""

    origin: Origin
    path: str


@lru_cache(maxsize=4096)
def place_of(url: URL, *, http2: bool = False) -> Place:
    """Where a URL leads. Raises `ValueError` for one without a host, or that is not HTTP."""
    if url.scheme not in ("http", "https") or not url.raw_host or not url.port:
        raise ValueError(f"'{url.scheme}://{url.raw_host}' is no HTTP address.")
    origin = Origin(
        secure=url.scheme == "https",
        host=url.raw_host,
        port=url.port,
        authority=url.host_port_subcomponent or url.raw_host,
        http2=http2,
    )
    return Place(origin, url.raw_path_qs)
