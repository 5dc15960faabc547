"""Sends the script's calls at a rate, whatever the answers take, and what users think of the answers."""

import asyncio
from collections.abc import Sequence

import aiohttp
import orjson

from services.cli.demo.report import Sent
from services.cli.demo.texts import SYSTEM
from services.cli.demo.traffic import Call
from shared.clock import Clock

MODEL = "demo"
MAX_IN_FLIGHT = 100

_TOOL = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string", "examples": ["48213"]}},
            "required": ["order"],
        },
    },
}


class Caller:
    """Makes calls through an open session whose base URL is the API and whose headers carry the key."""

    def __init__(self, http: aiohttp.ClientSession, environment: str, clock: Clock) -> None:
        self._http = http
        self._environment = environment
        self._clock = clock
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self.sent = Sent()

    async def make(self, calls: Sequence[Call], per_second: float) -> None:
        """Begin each call when it is due, wait for the last answer."""
        begin = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, call in enumerate(calls):
                due = begin + number / per_second
                await self._clock.sleep(max(due - self._clock.monotonic(), 0))
                await self._room.acquire()
                group.create_task(self._one(call)).add_done_callback(lambda _: self._room.release())

    async def _one(self, call: Call) -> None:
        self.sent.calls += 1
        try:
            interaction_id = await self._ask(call)
            if interaction_id and call.thumb:
                await self._rate(call, interaction_id)
        except (aiohttp.ClientError, TimeoutError) as fault:
            self._refused(str(fault) or type(fault).__name__)

    async def _ask(self, call: Call) -> str:
        """The id of the interaction that the call is now; empty when it was refused."""
        headers = {
            "x-leeway-session": f"{self._environment}/{call.session}",
            "x-leeway-user": call.user,
            "x-leeway-environment": self._environment,
        }
        async with self._http.post(
            "v1/chat/completions", data=body(call), headers=headers
        ) as answer:
            told = await answer.read()
            if answer.status != (call.failure or 200):
                self._refused(f"{answer.status} {told[:200].decode(errors='replace')}")
                return ""
            self.sent.accepted += 1
            self.sent.failed += bool(call.failure)
            return answer.headers["x-leeway-interaction-id"]

    async def _rate(self, call: Call, interaction_id: str) -> None:
        about = {"interaction_id": interaction_id, "rater": {"id": call.user, "kind": "user"}}
        items = [{**about, "kind": "thumbs", "label": call.thumb}]
        if call.comment:
            items.append({**about, "kind": "comment", "text": call.comment})
        async with self._http.post("v1/feedback", data=orjson.dumps({"feedback": items})) as answer:
            told = await answer.read()
            if answer.status != 200:
                self._refused(f"{answer.status} {told[:200].decode(errors='replace')}")
                return
            self.sent.thumbs += 1

    def _refused(self, why: str) -> None:
        self.sent.refused += 1
        self.sent.refusal = why


def body(call: Call) -> bytes:
    """The call as a chat completion's request; the demo model's lines are in its metadata."""
    messages = [{"role": "system", "content": SYSTEM}]
    for turn in call.history:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.answer})
    messages.append({"role": "user", "content": call.question})
    metadata = {
        "leeway_demo_input_tokens": str(call.input_tokens),
        "leeway_demo_output_tokens": str(call.output_tokens),
    }
    if call.failure:
        metadata["leeway_demo_status"] = str(call.failure)
    request = {
        "model": MODEL,
        "messages": messages,
        "stream": call.streaming,
        "metadata": metadata,
    }
    if call.answer is None:
        request |= {
            "tools": [_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "lookup_order"}},
        }
    else:
        metadata["leeway_demo_answer"] = call.answer
    return orjson.dumps(request)
