"""Chats to be told in other protocols: a provider of them, their chunks, and what official clients read.

The clients are those of the official SDKs, over a transport that answers with given bytes: no network.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import openai
import orjson
from anthropic.types import Message
from openai.types import Completion
from openai.types.responses import Response, ResponseStreamEvent

from services.serving.domain.account import Event
from services.serving.domain.body import Body, parse_body
from services.serving.domain.request import Kind, Request
from services.serving.domain.sse import DONE, EventSplitter, data_event, event_data
from services.serving.domain.usage import openai_usage
from services.serving.protocols.completions.reading import completion_request
from services.serving.protocols.messages.reading import message_request
from services.serving.protocols.port import Translated
from services.serving.protocols.responses.reading import response_request
from services.serving.protocols.translations import TRANSLATIONS
from services.serving.providers.port import Ask, Reply, Stream
from shared.interactions import Usage

Json = dict[str, Any]

READERS: Mapping[Kind, Callable[[Body], Request]] = {
    Kind.MESSAGE: message_request,
    Kind.RESPONSE: response_request,
    Kind.COMPLETION: completion_request,
}


class Chats:
    """A provider that answers chats with what it was given, and keeps what it was asked."""

    kinds = frozenset((Kind.CHAT, Kind.EMBEDDING))

    def __init__(self, reply: Json | None = None, *batches: Sequence[Event]) -> None:
        self.asked: list[Ask] = []
        self._reply = reply or {}
        self._batches = batches

    async def complete(self, ask: Ask) -> Reply:
        self.asked.append(ask)
        return Reply(json.dumps(self._reply).encode(), self._reply, usage_of(self._reply))

    async def stream(self, ask: Ask) -> Stream:
        self.asked.append(ask)
        for batch in self._batches:
            yield batch

    async def embed(self, ask: Ask) -> Reply:
        return await self.complete(ask)


def read(kind: Kind, body: Json) -> Request:
    """The request of a body, as its door reads it."""
    return READERS[kind](parse_body(orjson.dumps(body)))


def asked(kind: Kind, body: Json) -> Json:
    """The chat that a body is asked as."""
    chat = TRANSLATIONS[kind].chat(read(kind, body))
    assert orjson.loads(chat.body.rewritten({})) == chat.body.tree
    return chat.body.tree


async def replied(kind: Kind, body: Json, chat: Json) -> bytes:
    """The whole answer to a body that is asked as a chat, which answers `chat`."""
    provider = Translated(Chats(chat), TRANSLATIONS[kind])
    return (await provider.complete(Ask(read(kind, body), "upstream"))).body


async def streamed(
    kind: Kind, body: Json, *batches: Sequence[Event], into: list[Event] | None = None
) -> list[Event]:
    """The events of the answer to a body that is asked as a chat, which answers in `batches`.

    They are put into the list that is given, if one is: what came before a failure is there.
    """
    provider = Translated(Chats(None, *batches), TRANSLATIONS[kind])
    told = [] if into is None else into
    async with aclosing(provider.stream(Ask(read(kind, body), "upstream"))) as stream:
        async for events in stream:
            assert events
            told += events
    return told


def sent(events: Sequence[Event]) -> bytes:
    """What a client is sent of events."""
    return b"".join(event.raw for event in events if not event.hidden)


def trees(stream: bytes) -> list[Json]:
    """The data of every event in a stream's bytes, `[DONE]` and comments left out."""
    splitter = EventSplitter(limit=1_000_000)
    given = [event_data(event) for event in splitter.feed(stream)]
    assert splitter.pending == b""
    return [orjson.loads(data) for data in given if data is not None and data != b"[DONE]"]


def events_of(*chunks: Json) -> list[Event]:
    """The events of a chat's chunks, as servers write them, and of its end."""
    told = [Event(data_event(json.dumps(c).encode()), c, usage_of(c)) for c in chunks]
    return [*told, Event(DONE, final=True)]


def usage_of(tree: Json) -> Usage | None:
    """What an answer or a chunk of OpenAI's shape says was used."""
    counts = tree.get("usage")
    return openai_usage(orjson.dumps(counts).decode(), counts) if counts else None


def chunks_of(chat: Json, sizes: Sequence[int] = (5,)) -> Iterator[Json]:
    """A whole chat in chunks, its texts and arguments in pieces of the given sizes, turn by turn."""
    head = {name: chat[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    choice = chat["choices"][0]
    message = choice["message"]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    for member in ("reasoning_content", "content", "refusal"):
        deltas += [{member: piece} for piece in _pieces(message.get(member) or "", sizes)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = {"name": call["function"]["name"], "arguments": ""}
        deltas.append({"tool_calls": [{**call, "index": index, "function": function}]})
        for piece in _pieces(call["function"]["arguments"], sizes):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{**choice, "message": None, "delta": {}}]}
    if chat.get("usage"):
        yield {**head, "choices": [], "usage": chat["usage"]}


def a_message(body: bytes) -> Message:
    """What Anthropic's client makes of a whole answer."""
    client = _anthropic(body, "application/json")
    return client.messages.create(model="m", max_tokens=9, messages=[])


def a_streamed_message(stream: bytes) -> Message:
    """What Anthropic's client accumulates of a stream."""
    client = _anthropic(stream, "text/event-stream")
    with client.messages.stream(model="m", max_tokens=9, messages=[]) as events:
        return events.get_final_message()


def a_response(body: bytes) -> Response:
    """What OpenAI's client makes of a whole response."""
    return _openai(body, "application/json").responses.create(model="m", input="hi")


def a_streamed_response(stream: bytes) -> Response:
    """The response that OpenAI's client reads at the end of a stream, however it ended."""
    client = _openai(stream, "text/event-stream")
    with client.responses.stream(model="m", input="hi") as events:
        last = list(events)[-1]
    assert last.type in ("response.completed", "response.incomplete")
    return last.response


def response_events(stream: bytes) -> list[ResponseStreamEvent]:
    """The events that OpenAI's client reads of a stream."""
    client = _openai(stream, "text/event-stream")
    return list(client.responses.create(model="m", input="hi", stream=True))


def completions(stream: bytes) -> list[Completion]:
    """The chunks that OpenAI's client reads of a completion's stream."""
    client = _openai(stream, "text/event-stream")
    return list(client.completions.create(model="m", prompt="hi", stream=True))


def _anthropic(body: bytes, media_type: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="k", base_url="http://leeway", http_client=_answering(body, media_type)
    )


def _openai(body: bytes, media_type: str) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k", base_url="http://leeway", http_client=_answering(body, media_type)
    )


def _answering(body: bytes, media_type: str) -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": media_type})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def _pieces(text: str, sizes: Sequence[int]) -> list[str]:
    cuts = [0]
    while cuts[-1] < len(text):
        cuts.append(cuts[-1] + sizes[len(cuts) % len(sizes)])
    return [text[start:end] for start, end in pairwise(cuts)]
