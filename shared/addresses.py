"""Addresses: what a URL that somebody typed in says, read one way only, and which addresses are public."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

from shared.errors import Denied, Invalid

MAX_URL_CHARACTERS = 2048

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL taken apart, the one time that it is: what is checked is what is connected to."""

    scheme: str
    host: str  # a lower-case name, or an address in its canonical form without brackets
    port: int
    path: str
    query: str

    @property
    def url(self) -> URL:
        """The URL put together again from its checked parts."""
        return URL.build(
            scheme=self.scheme,
            host=f"[{self.host}]" if ":" in self.host else self.host,
            port=self.port,
            path=self.path,
            query_string=self.query,
            encoded=True,
        )


def parse_url(url: str) -> Destination:
    """The parts of an absolute http(s) URL in its plainest form.

    Whatever two parsers could read differently is refused and not repaired: user names, fragments,
    backslashes, blanks, non-ASCII and percent-encoded hosts, trailing dots, zone ids, and addresses in
    any but the canonical notation.

    >>> parse_url("https://hooks.example.com/a?b=1").host
    'hooks.example.com'
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARACTERS else None
    if match is None:
        raise Invalid(
            "Expected a URL of the form https://host[:port]/path, without user or fragment."
        )
    port = int(match["port"] or _STANDARD_PORTS[match["scheme"]])
    if port > 65_535:
        raise Invalid(f"There is no port {port}.")
    return Destination(
        scheme=match["scheme"],
        host=parse_host(match["host"]),
        port=port,
        path=match["path"] or "/",
        query=match["query"] or "",
    )


def parse_host(text: str) -> str:
    """A host in its one canonical form; raises `Invalid`.

    A name whose last label begins with a digit would be an IPv4 address to some parsers (`127.1`,
    `0x7f.1`, `2130706433`), and no top-level domain does: it must be a dotted quad.
    """
    if text.startswith("["):
        literal = literal_address(text[1:-1])
        if literal is None or literal.version != 6:
            raise Invalid(f"'{text}' is not an IPv6 address.")
        return str(literal)
    labels = text.lower().split(".")
    if labels[-1][:1].isdigit():
        literal = literal_address(text)
        if literal is None:
            raise Invalid(f"'{text}' is neither a host name nor an address in dotted form.")
        return str(literal)
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(f"'{text}' is not a host name.")
    return ".".join(labels)


def literal_address(host: str) -> Address | None:
    """The address that a host is written as, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own; no name server is asked."""
    address = literal_address(host)
    return host == "localhost" if address is None else address.is_loopback


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, by explicit lists.

    `ipaddress.is_global` is no such check: on Python 3.11 it is true for 64:ff9b::7f00:1 (NAT64 of
    127.0.0.1), 2002:7f00:1:: (6to4 of it), fec0::1 and multicast. So IPv6 is an allow-list, the global
    unicast block 2000::/3, minus its special blocks.

    >>> is_public(ip_address("64:ff9b::7f00:1")), is_public(ip_address("2606:4700::1111"))
    (False, True)
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def check_url(url: str, allow: Sequence[Network]) -> Destination:
    """The parts of a URL that may be configured. Asks no name server.

    Raises `Invalid` for a URL in any but the plainest form, `Denied` for a literal address that
    `check_address` refuses.
    """
    parsed = parse_url(url)
    literal = literal_address(parsed.host)
    if literal is not None:
        check_address(parsed.host, literal, allow, plain=parsed.scheme == "http")
    return parsed


def check_address(host: str, address: Address, allow: Sequence[Network], *, plain: bool) -> None:
    """Raises `Denied` unless the address is listed, or public and reached over TLS."""
    if any(address in network for network in allow):
        return
    if plain:
        raise Denied(
            f"'{host}' is {address}: without TLS only networks in `alerts.allow_networks` are reached."
        )
    if not is_public(address):
        raise Denied(f"'{host}' is {address}, neither public nor in `alerts.allow_networks`.")


def parse_network(text: str) -> Network:
    """A network in CIDR form; raises `Invalid`, also for one with host bits set."""
    try:
        return ip_network(text)
    except ValueError as fault:
        raise Invalid(f"'{text}' is not a network in CIDR form: {fault}.") from fault


# Visible ASCII that RFC 3986 lets stand in a path or a query; a backslash, a space or a fragment never.
_PATH = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
_QUERY = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*"
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.\-]{1,253})"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<path>/{_PATH})?"
    rf"(?:\?(?P<query>{_QUERY}))?",
    re.ASCII,
)
_LABEL = re.compile(r"(?!-)[0-9a-z\-]{1,63}(?<!-)", re.ASCII)
_STANDARD_PORTS = {"https": 443, "http": 80}


# IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and later), multicast (RFC 5771) and
# reserved space, and the one public address by which a cloud answers its own machines.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform address
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation (RFC 9637)
    )
)
