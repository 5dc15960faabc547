"""The client: sends each call at its time, and keeps a list of what was accepted."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from benchmarks.replay.calls import Call

CONCURRENCY = 256
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class Replayed:
    """What a client knows afterwards: each accepted id with its call, and how often it was let down.

    `repeats` counts the calls that were broken off or answered 503, each made anew as another call;
    `refused` those that were answered otherwise, by status: they are not made again.
    """

    calls: int = 0
    accepted: list[tuple[str, Call]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    repeats: int = 0


class Client:
    """Replays calls under one name, which each of them carries as the tag `replay`."""

    def __init__(self, url: str, key: str, run: str) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._headers = {"x-api-key": key}
        self._run = run

    async def replay(
        self, calls: Sequence[Call], enough: Callable[[], bool] = lambda: True
    ) -> Replayed:
        """Send every call at its time, at most `CONCURRENCY` at once; and all again until it is `enough`."""
        replayed = Replayed()
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while True:
                await self._once(session, calls, replayed)
                if enough():
                    return replayed

    async def _once(
        self, session: aiohttp.ClientSession, calls: Sequence[Call], replayed: Replayed
    ) -> None:
        gate, start = asyncio.Semaphore(CONCURRENCY), time.monotonic()

        async def send(call: Call) -> None:
            await asyncio.sleep(max(0.0, start + call.after - time.monotonic()))
            async with gate:
                await self._insist(session, call, replayed)

        await asyncio.gather(*(send(call) for call in calls))
        replayed.calls += len(calls)

    async def _insist(self, session: aiohttp.ClientSession, call: Call, replayed: Replayed) -> None:
        """Make the call until it is answered; one without a whole answer was not accepted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                status, interaction_id = await self._ask(session, call)
            except (aiohttp.ClientError, TimeoutError):
                status, interaction_id = 503, ""
            if status == 200:
                replayed.accepted.append((interaction_id, call))
                return
            if status != 503:
                replayed.refused[status] += 1
                return
            replayed.repeats += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession, call: Call) -> tuple[int, str]:
        """The status and the interaction's id, once the whole body is here."""
        body = {
            "model": "demo",
            "messages": [{"role": "user", "content": "Replayed."}],
            "metadata": {
                "replay": self._run,
                "leeway_demo_input_tokens": str(call.input_tokens),
                "leeway_demo_output_tokens": str(call.output_tokens),
            },
        }
        async with session.post(self._url, json=body) as reply:
            await reply.read()
            return reply.status, reply.headers.get("x-leeway-interaction-id", "")
