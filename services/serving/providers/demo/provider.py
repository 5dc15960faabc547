"""The adapter of the demo model: the same port, faults and usage as any upstream, and no network."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import refused
from services.serving.domain.request import Kind, Request
from services.serving.domain.sse import DONE, data_event
from services.serving.domain.usage import openai_usage
from services.serving.providers.demo.script import Script, embedding_reply, script_of
from services.serving.providers.port import Ask, Reply, Stream
from shared.clock import Clock
from shared.ids import new_id
from shared.interactions import Usage
from shared.live import Provider as ProviderEntry

DEFAULT_TOKENS_PER_SECOND = 50.0


class DemoProvider:
    """Answers by `script_of`. Metadata `leeway_demo_status: "500"` makes it fail with that status.

    Option `tokens_per_second`: the pace of a stream; 0 is as fast as possible.
    """

    kinds = frozenset((Kind.CHAT, Kind.EMBEDDING))

    def __init__(self, entry: ProviderEntry, clock: Clock) -> None:
        self._name = entry.name
        self._clock = clock
        pace = entry.options.get("tokens_per_second", DEFAULT_TOKENS_PER_SECOND)
        self._pause = 1 / pace if isinstance(pace, int | float) and pace > 0 else 0.0

    async def complete(self, ask: Ask) -> Reply:
        self._fail_if_asked(ask.request)
        script = script_of(ask.request)
        choice = {
            "message": script.message,
            "logprobs": None,
            "finish_reason": script.finish_reason,
        }
        choices = [{"index": index, **choice} for index in range(script.choices)]
        members = {"choices": choices, "usage": script.usage}
        tree = {**self._head(ask, "chat.completion"), **members}
        return Reply(orjson.dumps(tree), tree, _usage(script.usage))

    async def embed(self, ask: Ask) -> Reply:
        self._fail_if_asked(ask.request)
        tree = embedding_reply(ask.request, ask.model)
        return Reply(orjson.dumps(tree), tree, _usage(tree["usage"]))

    async def stream(self, ask: Ask) -> Stream:
        self._fail_if_asked(ask.request)
        script = script_of(ask.request)
        head = self._head(ask, "chat.completion.chunk")
        for delta in _deltas(script):
            if self._pause and "content" in delta and delta["content"]:
                await self._clock.sleep(self._pause)
            yield [_chunk(head, delta, index) for index in range(script.choices)]
        yield [*_last_chunks(head, script, told=ask.request.wants_usage), Event(DONE, final=True)]

    def _fail_if_asked(self, request: Request) -> None:
        status = request.metadata.get("leeway_demo_status", "")
        if not status.isdecimal() or not 400 <= int(status[:4]) <= 599:
            return
        message = f"The demo model fails with status {status}, as its metadata asks."
        error = {"message": message, "type": "demo_error", "param": None, "code": "demo_error"}
        headers = {"retry-after": "1"} if status in ("429", "503") else {}
        raise refused(self._name, int(status), orjson.dumps({"error": error}), headers)

    def _head(self, ask: Ask, kind: str) -> JsonObject:
        return {
            "id": f"chatcmpl-{new_id()}",
            "object": kind,
            "created": int(self._clock.now().timestamp()),
            "model": ask.model,
        }


def _deltas(script: Script) -> Iterator[JsonObject]:
    if script.tool_calls:
        calls = [{"index": place, **call} for place, call in enumerate(script.tool_calls)]
        yield {"role": "assistant", "content": None, "tool_calls": calls}
        return
    yield {"role": "assistant", "content": ""}
    for piece in script.pieces:
        yield {"content": piece}


def _last_chunks(head: JsonObject, script: Script, *, told: bool) -> Sequence[Event]:
    ended = [
        _event(head, [{"index": index, "delta": {}, "finish_reason": script.finish_reason}])
        for index in range(script.choices)
    ]
    usage = _event(head, [], usage=script.usage)
    return [*ended, Event(usage.raw, usage.tree, _usage(script.usage), hidden=not told)]


def _chunk(head: JsonObject, delta: JsonObject, index: int) -> Event:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
    return _event(head, [choice])


def _event(head: JsonObject, choices: list[JsonObject], **more: Any) -> Event:
    tree = {**head, "choices": choices, **more}
    return Event(data_event(orjson.dumps(tree)), tree)


def _usage(counts: Any) -> Usage:
    return openai_usage(orjson.dumps(counts).decode(), counts)
