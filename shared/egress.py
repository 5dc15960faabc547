"""Egress: the only way to an address that somebody typed in: parsed once, resolved once, pinned, bounded."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.addresses import (
    Address,
    Destination,
    check_address,
    check_url,
    literal_address,
    parse_network,
)
from shared.errors import Unavailable

DEADLINE_SECONDS = 10.0
MAX_REPLY_BYTES = 64 * 1024

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name, asked once per request; raises `OSError` when there are none."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered; the body is cut off at 64 KB."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver: every A and AAAA record."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Egress:
    """Sends to public addresses, and to the private networks that the operator listed in `allow`.

    Without TLS only listed networks are reached. No redirects, no proxies, no cookies.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        lookup: Lookup = system_lookup,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._allow = tuple(parse_network(text) for text in allow)
        self._lookup = lookup
        self._deadline_seconds = deadline_seconds

    def destination(self, url: str) -> Destination:
        """The parts of a URL that may be configured. Asks no name server.

        Raises `Invalid` for a URL in any but the plainest form, `Denied` for a literal address that
        the rules refuse.
        """
        return check_url(url, self._allow)

    async def pin(self, host: str, port: int, *, plain: bool) -> tuple[Address, ...]:
        """The addresses of a host, every one of which the rules permit.

        One refused address refuses the host: which of them is connected to must not be luck.
        Raises `Denied`, and `Unavailable` when the name does not resolve.
        """
        literal = literal_address(host)
        if literal is not None:
            addresses = [literal]
        else:
            try:
                addresses = [ip_address(text) for text in await self._lookup(host, port)]
            except OSError as fault:
                raise Unavailable(f"The name '{host}' does not resolve: {fault}.") from fault
        self._check(host, addresses, plain=plain)
        return tuple(addresses)

    def _check(self, host: str, addresses: Sequence[Address], *, plain: bool) -> None:
        if not addresses:
            raise Unavailable(f"The name '{host}' has no address.")
        for address in addresses:
            check_address(host, address, self._allow, plain=plain)

    async def connect(self, host: str, port: int, *, plain: bool) -> socket.socket:
        """A connected, non-blocking socket to a pinned address of the host; the caller closes it."""
        fault: OSError | None = None
        for address in await self.pin(host, port, plain=plain):
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            opened = socket.socket(family, socket.SOCK_STREAM)
            opened.settimeout(0)
            try:
                await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
            except OSError as refused:
                opened.close()
                fault = refused
            except asyncio.CancelledError:
                opened.close()
                raise
            else:
                return opened
        raise Unavailable(f"'{host}' port {port} cannot be reached: {fault}.") from fault

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a POST and give back what was answered, whatever its status.

        Raises `Invalid` and `Denied` for a URL or an address outside the rules, and `Unavailable` when
        nothing was answered within the deadline.
        """
        to = self.destination(url)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                pinned = await self.pin(to.host, to.port, plain=to.scheme == "http")
                return await _exchange(to, pinned, body, headers)
        except TimeoutError as fault:
            late = f"'{to.host}' did not answer within {self._deadline_seconds:g} s."
            raise Unavailable(late) from fault
        except (aiohttp.ClientError, OSError) as fault:
            raise Unavailable(f"'{to.host}' port {to.port} failed: {fault}.") from fault


async def _exchange(
    to: Destination, pinned: Sequence[Address], body: bytes, headers: Mapping[str, str]
) -> Reply:
    connector = aiohttp.TCPConnector(
        resolver=_Pinned(pinned),
        socket_factory=_gate(pinned),
        use_dns_cache=False,
        force_close=True,
    )
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session,
        session.post(
            to.url,
            data=body,
            headers={"Accept-Encoding": "identity", "User-Agent": "leeway", **headers},
            allow_redirects=False,
        ) as response,
    ):
        answered = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, answered, await _read_capped(response.content))


async def _read_capped(content: aiohttp.StreamReader) -> bytes:
    kept = bytearray()
    while len(kept) < MAX_REPLY_BYTES:
        chunk = await content.read(MAX_REPLY_BYTES - len(kept))
        if not chunk:
            break
        kept += chunk
    return bytes(kept)


class _Pinned(AbstractResolver):
    """Answers every question with the addresses that were checked: a second answer cannot differ."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family  # the pinned addresses carry their own
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


def _gate(pinned: Sequence[Address]) -> Callable[[tuple[Any, ...]], socket.socket]:
    """The last check, on the very address that the kernel is about to connect to."""

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, peer = info
        if ip_address(peer[0]) not in pinned:
            raise OSError(f"the address {peer[0]} was not checked")
        return socket.socket(family, kind, protocol)

    return open_socket
