"""`leeway serving stop` on a running installation with two edge workers: both hear of it, and a restart forgets nothing."""

import json
import os
import signal
from pathlib import Path

import httpx

from tests.stack import Stack, a_stack

ASKED = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}
ASKS = 40  # on fresh connections: both workers answer some of them


async def codes(stack: Stack) -> set[str]:
    """What becomes of calls, each on a connection of its own."""
    found = set()
    headers = {"authorization": f"Bearer {stack.ready['api_key']}"}
    for _ in range(ASKS):
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            answer = await client.post(f"{stack.ready['url']}/v1/chat/completions", json=ASKED)
        found.add("ok" if answer.status_code == 200 else str(answer.json()["error"]["code"]))
    return found


async def become(stack: Stack, code: str) -> set[str]:
    """What becomes of calls once all of them become the same; every worker has heard then."""
    found = await codes(stack)
    for _ in range(20):
        if found == {code}:
            return found
        found = await codes(stack)
    return found


async def test_what_is_stopped_is_served_by_no_worker_until_it_is_started(tmp_path: Path) -> None:
    async with a_stack(tmp_path, LEEWAY_EDGE_WORKERS="2") as stack:
        before = await codes(stack)

        stop = await stack.leeway("serving", "stop", "--model", "demo", "--reason", "a test")
        stopped = await become(stack, "stopped")
        listed = await stack.leeway("serving", "list", "--json")
        os.kill(int((tmp_path / "data" / "supervisor.lock").read_text()), signal.SIGUSR1)
        after_restart = await become(stack, "stopped")
        start = await stack.leeway("serving", "start", "--model", "demo")
        started = await become(stack, "ok")

    assert before == {"ok"}
    assert stop == (0, "Stopped: the calls of the model demo.\n")
    assert stopped == after_restart == {"stopped"}
    assert json.loads(listed[1])["reason"] == "a test"
    assert start == (0, "Started: the calls of the model demo.\n")
    assert started == {"ok"}
