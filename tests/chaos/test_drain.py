"""A rolling restart: two edge workers are renewed one after the other, again and again, while calls come in."""

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from services.supervisor import RENEW
from shared.server import Server, http_app
from tests.chaos.house import House, a_call, a_house
from tests.chaos.ledger import Verdict, copies, stored
from tests.chaos.report import Trial
from tests.waiting import until

ROLLS, WORKERS, CLIENTS_OF_A_KIND = 10, ("edge-0", "edge-1"), 2
LONGEST_DRAIN_SECONDS, PAUSE_SECONDS = 30.0, 0.02
DRAINS, CONNECTIONS = 8, 10
ASK = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.fault(26)
@pytest.mark.chaos
async def test_no_call_fails_while_the_workers_are_renewed_one_after_another(
    trial: Trial, tmp_path: Path
) -> None:
    end, answers = asyncio.Event(), Counter[int]()
    async with a_house(tmp_path, trial, LEEWAY_EDGE_WORKERS="2") as house:
        calling = [
            asyncio.create_task(_call(house, end, answers, keeps=keeps, stream=stream))
            for keeps in (True, False)
            for stream in (True, False)
            for _ in range(CLIENTS_OF_A_KIND)
        ]
        for _ in range(ROLLS):
            await _roll(house)
        end.set()
        await asyncio.gather(*calling)
        await stored(house.client, len(trial.ledger.accepted))
        trial.judge(await copies(house.client))
        unread = [house.waiting("warehouse", worker) for worker in WORKERS]
        assert await house.books_add_up()

    assert set(answers) == {200}, answers
    assert unread == [0, 0]
    drains = [seconds for worker in WORKERS for seconds in _drains(tmp_path, worker)]
    assert len(drains) == (ROLLS + 1) * len(WORKERS)  # the last of each is the end of the house
    assert max(drains) <= LONGEST_DRAIN_SECONDS


@pytest.mark.fault(26)
async def test_what_is_on_its_way_when_a_server_drains_is_answered(trial: Trial) -> None:
    """Kept connections and new ones, on which a request comes just before, while, or just after."""
    answered = 0
    for _ in range(DRAINS):
        trial.inject("drain")
        server = Server(http_app([Route("/slow", _slow)], lambda: True), drain_seconds=2)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve_on(listener))
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
        kept = open_ones[: CONNECTIONS // 2]
        for reader, writer in kept:
            assert await _ask(reader, writer, 0) == 200
        delays = [trial.random.uniform(0, 0.15) for _ in open_ones]
        asking = [
            asyncio.create_task(_ask(reader, writer, delay))
            for (reader, writer), delay in zip(open_ones, delays, strict=True)
        ]
        await asyncio.sleep(trial.random.uniform(0, 0.05))
        server.drain()
        answered += (await asyncio.gather(*asking)).count(200)
        await serving
        for _, writer in open_ones:
            writer.transport.abort()

    sent = DRAINS * CONNECTIONS
    trial.settle(Verdict(sent, answered, lost=sent - answered, duplicated=0))


@pytest.mark.fault(26)
async def test_a_stream_that_a_drain_meets_leaves_its_connection_open_for_what_comes_next(
    trial: Trial,
) -> None:
    """Its headers had said that the connection stays: its client may send at once when it has ended."""
    go_on = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        await go_on.wait()

    async def stream(_: Request) -> Response:
        return StreamingResponse(pieces())

    routes = [Route("/stream", stream), Route("/slow", _slow)]
    server = Server(http_app(routes, lambda: True), drain_seconds=2)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve_on(listener))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"x\r\n")
    trial.inject("drain")
    server.drain()
    await until(lambda: not server.servers[0].is_serving())
    go_on.set()
    await reader.readuntil(b"0\r\n\r\n")

    assert await _ask(reader, writer, 0) == 200
    assert await reader.read() == b""
    writer.close()
    await serving
    trial.settle(Verdict(2, 2, lost=0, duplicated=0))


async def _slow(_: Request) -> Response:
    await asyncio.sleep(0.01)
    return PlainTextResponse("done")


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: float) -> int:
    """The status; 0 when the connection broke."""
    await asyncio.sleep(after)
    try:
        writer.write(ASK)
        status = int((await reader.readline()).split()[1])
        while (await reader.readline()).strip():
            pass
        await reader.readexactly(len("done"))
    except (OSError, IndexError, asyncio.IncompleteReadError):
        return 0
    return status


async def _roll(house: House) -> None:
    """What an operator does: a signal to the supervisor; until the last worker is a new one."""
    before = {worker: house.pid(worker) for worker in WORKERS}
    house.trial.inject("worker renewed", len(WORKERS))
    lock = house.stack.folder / "data" / "supervisor.lock"
    os.kill(int(lock.read_text()), RENEW)
    await house.comes(lambda: all(house.pid(w) not in {0, before[w]} for w in WORKERS))


def _drains(folder: Path, worker: str) -> Iterator[float]:
    """How long each drain of a worker took, by its log."""
    log = (folder / "data" / "logs" / f"{worker}.log").read_text().splitlines()
    began = datetime.max.replace(tzinfo=UTC)
    for line in map(json.loads, log):
        at = datetime.fromisoformat(line["timestamp"])
        if line["event"] == "process.draining":
            began = at
        elif line["event"] == "process.ended":
            yield (at - began).total_seconds()


async def _call(
    house: House, end: asyncio.Event, answers: Counter[int], *, keeps: bool, stream: bool
) -> None:
    """One call after another, each made once, until the end; 0 is one whose answer broke off."""
    connections = aiohttp.TCPConnector(force_close=not keeps)
    url = f"{house.stack.ready['url']}/v1/chat/completions"
    async with aiohttp.ClientSession(headers=house.http.headers, connector=connections) as session:
        while not end.is_set():
            try:
                async with session.post(url, json=a_call(stream=stream)) as reply:
                    whole = (await reply.text()).endswith("data: [DONE]\n\n" if stream else "}")
            except (aiohttp.ClientError, ConnectionError):
                answers[0] += 1
                continue
            answers[reply.status if whole else 0] += 1
            await asyncio.sleep(PAUSE_SECONDS)
            if reply.status == 200 and whole:
                house.trial.ledger.accept([reply.headers["x-leeway-interaction-id"]])
