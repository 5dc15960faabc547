"""Bodies that are far too large, and little memory: they are refused as soon as that is known, and nobody dies."""

import asyncio
import gzip
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.chaos.house import House, a_call, a_house
from tests.chaos.ledger import copies
from tests.chaos.limits import limited
from tests.chaos.report import Trial

MB = 1024 * 1024
ROOM_BYTES = 512 * MB
AT_ONCE = (24, 60)  # large bodies, in each of the rounds
CLIENTS = 4  # whose calls are small
EARLY_SECONDS = 5.0
MOST_SENT = 32 * MB  # of a body without an end, before its sender is cut off


@pytest.mark.fault(28)
@pytest.mark.chaos
async def test_huge_bodies_are_refused_early_and_the_process_lives(
    trial: Trial, tmp_path: Path
) -> None:
    async with a_house(tmp_path, trial) as house:
        await _answered(house)
        edge = house.pid("edge-0")
        with limited(edge, resource.RLIMIT_AS, _address_space(edge) + ROOM_BYTES):
            for at_once in AT_ONCE:
                trial.inject("body of 1 GB announced")
                assert await _announce(house, 1024 * MB) == 413
                trial.inject("body without an end")
                assert await _send_without_end(house) in {413, 0}
                trial.inject("gzip bomb")
                assert await _bomb(house) == 413
                trial.inject("large bodies at once", at_once)
                async with _small_calls(house):
                    statuses = await _large_at_once(house, at_once)
                assert set(statuses) <= {200, 503}, statuses
                assert statuses[200] > 0
                with trial.recovery():
                    await _answered(house)
        same = house.pid("edge-0") == edge
        await house.comes_async(lambda: _all_stored(house))
        judged = await copies(house.client)

    assert same
    trial.judge({name: n for name, n in judged.items() if name in trial.ledger.accepted})


async def _all_stored(house: House) -> bool:
    """Beside what was refused, which is recorded as well."""
    return house.trial.ledger.accepted <= set(await copies(house.client))


async def _large_at_once(house: House, count: int) -> Counter[int]:
    """The statuses of so many: calls of 7 MB, and compressed batches of as much."""
    call, batch = orjson.dumps(a_call("w" * (7 * MB))), await asyncio.to_thread(_batch, house.trial)
    answers = await asyncio.gather(
        *(house.send("/v1/chat/completions", call) for _ in range(count // 2)),
        *(house.send("/v1/interactions", batch, "gzip") for _ in range(count // 2)),
    )
    for answer in answers:
        if answer.status == 200:
            results = answer.body.get("results", [{"id": answer.interaction_id}])
            house.trial.ledger.accept(result["id"] for result in results)
    return Counter(answer.status for answer in answers)


def _batch(trial: Trial) -> bytes:
    """Seven interactions of 1 MB, which halve when they are compressed."""
    text = trial.random.randbytes(MB // 2).hex()
    items = [{"kind": "chat", "model": "demo", "input": text} for _ in range(7)]
    return gzip.compress(orjson.dumps({"interactions": items}), 1)


@asynccontextmanager
async def _small_calls(house: House) -> AsyncIterator[None]:
    """Whole answers and streams meanwhile, one after another: each is answered, whatever the large ones do."""
    end, statuses = asyncio.Event(), Counter[int]()

    async def call(*, stream: bool) -> None:
        while not end.is_set():
            answer = await house.post("/v1/chat/completions", a_call(stream=stream))
            statuses[answer.status] += 1
            if answer.status == 200:
                house.trial.ledger.accept([answer.interaction_id])

    calling = [asyncio.create_task(call(stream=n % 2 == 0)) for n in range(CLIENTS)]
    yield
    end.set()
    await asyncio.gather(*calling)
    assert set(statuses) == {200}, statuses


async def _answered(house: House) -> None:
    answer = await house.insist("/v1/chat/completions", a_call())
    assert answer.status == 200
    house.trial.ledger.accept([answer.interaction_id])


def _address_space(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


async def _announce(house: House, size: int) -> int:
    """Only the headers of a request, whose body would be so large."""
    return await _raw(house, "/v1/chat/completions", f"content-length: {size}", ())


async def _send_without_end(house: House) -> int:
    """A chunked body that goes on and on."""

    def chunks() -> Iterator[bytes]:
        for _ in range(MOST_SENT // MB):
            yield b"%x\r\n%b\r\n" % (MB, b"w" * MB)

    return await _raw(house, "/v1/chat/completions", "transfer-encoding: chunked", chunks())


async def _bomb(house: House) -> int:
    """Some kilobytes that become a gigabyte."""
    body = gzip.compress(b'{"interactions": [' + b" " * (256 * MB) + b"]}", 9)
    told = f"content-encoding: gzip\r\ncontent-length: {len(body)}"
    return await _raw(house, "/v1/interactions", told, (body,))


async def _raw(house: House, path: str, headers: str, body: Iterable[bytes]) -> int:
    """The status of a request whose body is sent as far as it is taken; 0 when it was cut off."""
    at = urlsplit(house.stack.ready["url"])
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    key = house.stack.ready["api_key"]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n"
    writer.write(f"{head}content-type: application/json\r\n{headers}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(EARLY_SECONDS):
            with suppress(ConnectionError):
                for piece in body:
                    writer.write(piece)
                    await writer.drain()
            with suppress(ConnectionError):
                return int((await reader.readline()).split()[1])
            return 0
    finally:
        writer.transport.abort()


def test_a_large_call_is_as_large_as_is_taken() -> None:
    assert 7 * MB < len(orjson.dumps(a_call("w" * (7 * MB)))) < 8 * MB
