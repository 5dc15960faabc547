"""The server of the shared state frozen, killed, behind TLS and with a password: who waits, for how long, and who sees what."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.local.certificates import Validity, make_certificates
from services.serving.limits.bounds import Bounds, bounds_of
from services.serving.limits.limiter import Limiter
from services.serving.state.port import Draw, Place, StateAway
from services.serving.state.valkey import ValkeyState
from shared.clock import SystemClock
from shared.errors import Invalid, Limited
from shared.policy import NO_POLICY, Limits, Policy
from tests.builders import a_caller
from tests.valkey import PASSWORD, ValkeyServer, a_valkey
from tests.waiting import until

CLOCK = SystemClock()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    async with a_valkey(tmp_path) as running:
        yield running


def bounds(**limits: int) -> Bounds:
    policies = (NO_POLICY, NO_POLICY, Policy(limits=Limits(**limits)), NO_POLICY)
    found = bounds_of(policies, a_caller(), "gpt")
    assert found is not None
    return found


async def admitted(limiter: Limiter, wanted: Bounds, calls: int) -> int:
    count = 0
    for _ in range(calls):
        try:
            await limiter.take(wanted, 0)
        except Limited:
            continue
        count += 1
    return count


async def test_limits_are_held_while_the_server_is_away_and_shared_again_when_it_is_back(
    server: ValkeyServer,
) -> None:
    wanted = bounds(requests_per_minute=10, concurrent=100)
    async with (
        ValkeyState(server.url, CLOCK, timeout_seconds=5) as state,
        ValkeyState(server.url, CLOCK, timeout_seconds=5) as others,
    ):
        await others.beat()
        async with Limiter(state, CLOCK) as limiter:
            shared = await admitted(limiter, wanted, 12)
            await server.kill()
            alone = await admitted(limiter, wanted, 12)
            await server.start()
            back = asyncio.create_task(_back(state))
            await until(back.done, seconds=10)
            shared_again = await admitted(limiter, wanted, 12)

    assert shared == 10
    assert alone == 5
    assert shared_again == 10


async def _back(state: ValkeyState) -> None:
    while True:
        try:
            await state.beat()
        except StateAway:
            await asyncio.sleep(0)
        else:
            return


async def test_a_frozen_server_is_waited_for_once_and_then_left_alone(server: ValkeyServer) -> None:
    async with ValkeyState(server.url, CLOCK, timeout_seconds=0.2) as state:
        await state.take([Draw("m", 1, 10)], [])
        server.freeze()
        faults = []
        for _ in range(50):
            with pytest.raises(StateAway) as fault:
                await state.take([Draw("m", 1, 10)], [])
            faults.append(fault.value.message)
        server.freeze(on=False)

    assert "TimeoutError" in faults[0]
    assert sum("TimeoutError" in fault for fault in faults) <= 2
    assert "a moment ago" in faults[1]


async def test_a_place_is_counted_at_once_by_a_server_that_came_back_empty(
    server: ValkeyServer,
) -> None:
    async with ValkeyState(server.url, CLOCK, timeout_seconds=5) as state:
        await state.beat()
    await server.kill()
    await server.start()
    async with ValkeyState(server.url, CLOCK, timeout_seconds=5) as state:
        first = await state.take([], [Place("p", 1)])
        second = await state.take([], [Place("p", 1)])

    assert first.admitted
    assert not second.admitted


async def test_a_wrong_password_is_told_and_never_shown(server: ValkeyServer) -> None:
    url = server.url.replace(PASSWORD, "another-secret")
    async with ValkeyState(url, CLOCK, timeout_seconds=5) as state:
        with pytest.raises(StateAway) as refused:
            await state.get("v")

    assert "AuthenticationError" in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:6379", "valkey://host:port"])
def test_a_url_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(Invalid):
        ValkeyState(url, CLOCK, timeout_seconds=1)


async def test_redis_urls_and_tls_are_spoken(server: ValkeyServer, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    [files] = make_certificates(
        certificates, ["localhost"], Validity.days_from(CLOCK.now(), days=1)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with _behind_tls(server.port, context) as port:
        url = f"rediss://:{PASSWORD}@localhost:{port}/0"
        trusting = ValkeyState(f"{url}?ssl_ca_certs={files.ca}", CLOCK, timeout_seconds=5)
        strange = ValkeyState(url, CLOCK, timeout_seconds=5)
        async with trusting, strange:
            await trusting.put("v", b"1", 60)
            assert await trusting.get("v") == b"1"
            with pytest.raises(StateAway):
                await strange.get("v")


@asynccontextmanager
async def _behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a listener that speaks TLS and passes everything on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    async with listener:
        yield int(listener.sockets[0].getsockname()[1])
