"""The address rules: what may be typed in, and which addresses are reached."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from aiohttp import web

from shared.addresses import is_public, parse_url
from shared.egress import MAX_REPLY_BYTES, Egress
from shared.errors import Denied, Invalid, LeewayError, Unavailable
from tests.servers import LoopbackServer

NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "rebound.example.com": ["93.184.215.14", "10.0.0.7"],
    "mapped.example.com": ["::ffff:10.0.0.7"],
    "linklocal.example.com": ["fe80::1%eth0"],
    "hooks.example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "xn--bcher-kva.example": ["93.184.215.14"],
}

BAD_URLS = [
    # not http, or not a URL
    "",
    "hooks.example.com",
    "//hooks.example.com/a",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com:70/_x",
    "javascript:alert(1)",
    "https:/hooks.example.com",
    "https:hooks.example.com",
    "https:///hooks.example.com",
    "https://",
    "https://?a=b",
    " https://hooks.example.com/",
    "https://hooks.example.com/ ",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/a\r\nHost: b",
    "https://hooks.example.com/\x00",
    "https://hooks.example.com/\ta",
    # plain http to what is not listed
    "http://hooks.example.com/",
    "http://93.184.215.14/",
    # a user, a fragment, a backslash: two parsers, two hosts
    "https://user@hooks.example.com/",
    "https://user:secret@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "http://a@b",
    "http://a#@b",
    "http://a\\@b",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://127.0.0.1#@hooks.example.com/",
    "https://hooks.example.com#fragment",
    "https://hooks.example.com/a#fragment",
    "https://hooks.example.com/a\\b",
    # host names in odd forms
    "https://hooks.example.com./",
    "https://hooks..example.com/",
    "https://.hooks.example.com/",
    "https://-hooks.example.com/",
    "https://hooks-.example.com/",
    "https://hooks_1.example.com/",
    "https://%68ooks.example.com/",
    "https://127%2e0%2e0%2e1/",
    "https://b\u00fccher.example/",
    "https://hooks\u3002example\u3002com/",
    "https://\u2460\u2461\u2466.0.0.1/",
    f"https://{'a' * 64}.example.com/",
    f"https://hooks.example.com/{'a' * 2048}",
    # ports
    "https://hooks.example.com:0/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:0443/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:44a3/",
    "https://hooks.example.com:443:443/",
    # IPv4 in every notation
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.1.2/",
    "https://256.256.256.256/",
    "https://example.0x7f000001/",
    "https://0.0.0.0/",
    "https://0/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # IPv6 in every notation
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:2::1]/",
    "https://[2001:10::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]a/",
    # names that lead inside
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost.localdomain/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://rebound.example.com/",
    "https://mapped.example.com/",
    "https://linklocal.example.com/",
    "https://unknown.example.com/",
]

GOOD_URLS = [
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://HOOKS.example.com/Services/T0/B0/x",
    "https://hooks.example.com:8443/a",
    "https://hooks.example.com/a?b=1&c=%20&d=a/b?c",
    "https://hooks.example.com?b=1",
    "https://hooks.example.com/@user/a:b;c=d",
    "https://hooks.example.com/a%2Fb",
    "https://hooks.example.com/a/../b",
    "https://hooks.example.com:443/~a/-_.!$&'()*+,",
    "https://xn--bcher-kva.example/",
    "https://93.184.215.14/",
    "https://93.184.215.14:9443/a",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    "https://[2606:4700::1111]:8443/a",
    "https://1.1.1.1/",
    # listed networks, without TLS too
    "http://192.168.7.9:9000/a",
    "http://[fd12:3456::9]/a",
    "https://192.168.7.9/",
]

LISTED = ("192.168.7.0/24", "fd12:3456::/32")


async def known(host: str, port: int) -> Sequence[str]:
    try:
        return NAMES[host]
    except KeyError:
        raise OSError("no such name") from None


async def reach(egress: Egress, url: str) -> list[str]:
    to = egress.destination(url)
    pinned = await egress.pin(to.host, to.port, plain=to.scheme == "http")
    return [str(address) for address in pinned]


def test_the_lists_are_as_long_as_promised() -> None:
    assert (len(BAD_URLS) >= 60, len(GOOD_URLS) >= 15) == (True, True)


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_bad_url_is_refused(url: str) -> None:
    egress = Egress(LISTED, lookup=known)

    with pytest.raises(LeewayError):
        await reach(egress, url)


@pytest.mark.parametrize("url", GOOD_URLS)
async def test_a_good_url_is_reached_at_its_own_addresses(url: str) -> None:
    egress = Egress(LISTED, lookup=known)

    pinned = await reach(egress, url)

    host = parse_url(url).host
    assert pinned == NAMES.get(host, [host])


def test_the_url_that_is_connected_to_is_built_from_the_checked_parts() -> None:
    to = parse_url("https://HOOKS.example.com/a%2Fb?c=%20&d=?")

    assert str(to.url) == "https://hooks.example.com/a%2Fb?c=%20&d=?"


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_good_url_put_together_again_has_the_same_parts(url: str) -> None:
    to = parse_url(url)

    assert (to.url.scheme, to.url.raw_host, to.url.port) == (to.scheme, to.host, to.port)
    assert (to.url.raw_path, to.url.raw_query_string) == (to.path, to.query)
    assert parse_url(str(to.url)) == to


def test_a_network_with_host_bits_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match=r"'10\.0\.0\.1/8'"):
        Egress(["10.0.0.1/8"])


@pytest.mark.parametrize("text", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


async def test_a_second_answer_of_the_name_server_is_never_asked_for() -> None:
    asked: list[str] = []

    async def flipping(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.7"]

    async with LoopbackServer() as server:
        egress = Egress(["127.0.0.0/8"], lookup=flipping)
        reply = await egress.post(f"http://receiver.example.com:{server.port}/a", b"{}", {})

    assert (reply.status, asked) == (200, ["receiver.example.com"])
    assert server.requests[0].headers["Host"] == f"receiver.example.com:{server.port}"


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_a_literal_ipv6_address_is_reached() -> None:
    async with LoopbackServer(address="::1") as server:
        reply = await Egress(["::1/128"]).post(server.url("/a"), b"{}", {})

    assert (reply.status, server.requests[0].headers["Host"]) == (200, f"[::1]:{server.port}")


async def test_tls_asks_for_the_name_and_not_for_the_pinned_address() -> None:
    asked: list[str | None] = []

    def on_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int:
        asked.append(name)
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    async def home(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = on_name
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Unavailable):
            await Egress(["127.0.0.0/8"], lookup=home).post(
                f"https://receiver.example.com:{port}/", b"{}", {}
            )

    assert asked == ["receiver.example.com"]


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with LoopbackServer(redirect) as server:
        reply = await Egress(["127.0.0.0/8"]).post(server.url("/a"), b"{}", {})

    assert (reply.status, [request.path for request in server.requests]) == (302, ["/a"])


async def test_an_endless_answer_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * 10_000)
        return response

    async with LoopbackServer(endless) as server:
        reply = await Egress(["127.0.0.0/8"]).post(server.url("/a"), b"{}", {})

    assert len(reply.body) == MAX_REPLY_BYTES


async def test_a_silent_receiver_is_unavailable_at_the_deadline() -> None:
    release = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with LoopbackServer(silent) as server:
        egress = Egress(["127.0.0.0/8"], deadline_seconds=0.05)
        with pytest.raises(Unavailable, match=r"did not answer within 0\.05 s"):
            await egress.post(server.url("/a"), b"{}", {})
        release.set()


async def test_a_closed_port_is_unavailable() -> None:
    async with LoopbackServer() as server:
        url = server.url("/a")

    with pytest.raises(Unavailable):
        await Egress(["127.0.0.0/8"]).post(url, b"{}", {})


async def test_loopback_is_refused_unless_it_is_listed() -> None:
    async with LoopbackServer() as server:
        with pytest.raises(Denied, match=r"networks in `alerts\.allow_networks` are reached"):
            await Egress().post(server.url("/a"), b"{}", {})

    assert server.requests == []
