"""A rolling restart: two edge workers end by SIGTERM in turn, again and again, while calls come in."""

import asyncio
import signal
import socket
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.server import Server, http_app
from tests.chaos.house import House, a_call, a_house
from tests.chaos.ledger import Verdict, copies, stored
from tests.chaos.report import Trial

RESTARTS, CLIENTS = 10, 8
DRAINS, CONNECTIONS = 8, 10
ASK = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.fault(26)
@pytest.mark.chaos
@pytest.mark.parametrize("keeps", [True, False], ids=["kept-connections", "new-connections"])
async def test_no_call_fails_because_a_worker_is_restarted(
    trial: Trial, tmp_path: Path, *, keeps: bool
) -> None:
    end, answers = asyncio.Event(), Counter[int]()
    async with a_house(tmp_path, trial, LEEWAY_EDGE_WORKERS="2") as house:
        calling = [asyncio.create_task(_call(house, end, answers, keeps=keeps))]
        calling += [
            asyncio.create_task(_call(house, end, answers, keeps=keeps)) for _ in range(CLIENTS - 1)
        ]
        for restart in range(RESTARTS):
            await house.end(f"edge-{restart % 2}", signal.SIGTERM)
        end.set()
        await asyncio.gather(*calling)
        await stored(house.client, len(trial.ledger.accepted))
        trial.judge(await copies(house.client))

    assert set(answers) == {200}, answers


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


async def _call(house: House, end: asyncio.Event, answers: Counter[int], *, keeps: bool) -> None:
    """One call after another, each made once, until the end."""
    connections = aiohttp.TCPConnector(force_close=not keeps)
    async with aiohttp.ClientSession(headers=house.http.headers, connector=connections) as session:
        client = House(house.stack, house.trial, session, house.client)
        while not end.is_set():
            answer = await client.post("/v1/chat/completions", a_call())
            answers[answer.status] += 1
            if answer.status == 200:
                house.trial.ledger.accept([answer.interaction_id])
