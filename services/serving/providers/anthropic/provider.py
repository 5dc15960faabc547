"""The adapter: posts Messages requests, and gives their answers the chat completion's shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

import orjson
from yarl import URL

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, errored, malformed
from services.serving.domain.request import Kind
from services.serving.domain.sse import EventSplitter, EventTooLarge, event_data
from services.serving.domain.usage import anthropic_usage
from services.serving.providers.anthropic.answering import chat_error, chat_reply
from services.serving.providers.anthropic.asking import DEFAULT_MAX_TOKENS, messages_request
from services.serving.providers.anthropic.events import ChunkTranslator
from services.serving.providers.credentials import Secret, credentials_of
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import read_json
from services.serving.providers.upstream import ErrorReply, Target, UpstreamHttp
from shared.clock import Clock
from shared.errors import Invalid
from shared.live import Provider as ProviderEntry

DEFAULT_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


class AnthropicProvider:
    """A base URL that answers `/v1/messages`.

    Options: `headers` (more headers to send, `anthropic-beta` for one) and `max_tokens` (for requests
    that set no bound: the protocol wants one).
    """

    kinds = frozenset((Kind.CHAT,))

    def __init__(
        self,
        entry: ProviderEntry,
        http: UpstreamHttp,
        secret: Secret,
        clock: Clock,
    ) -> None:
        self._entry = entry
        self._http = http
        self._secret = secret
        self._clock = clock
        base = (entry.base_url or DEFAULT_URL).rstrip("/").removesuffix("/v1")
        self._messages = URL(f"{base}/v1/messages")
        bound = entry.options.get("max_tokens")
        self._max_tokens = bound if isinstance(bound, int) else DEFAULT_MAX_TOKENS

    async def complete(self, ask: Ask) -> Reply:
        body = await self._http.post(self._target(ask), self._body(ask))
        message = read_json(body, self._entry.name)
        with self._broken_shapes():
            if message.get("type") == "error":
                self._fail("answered with an error inside a 200", body)
            counts = message["usage"]
            usage = anthropic_usage(orjson.dumps(counts).decode(), counts)
            tree = chat_reply(message, usage, self._now())
        return Reply(orjson.dumps(tree), tree, usage)

    async def embed(self, ask: Ask) -> Reply:
        raise Invalid(f"{ask.model!r}: Anthropic's protocol has no embeddings.")

    async def stream(self, ask: Ask) -> Stream:
        splitter = EventSplitter(self._http.limits.max_event_bytes)
        translator = ChunkTranslator(self._now())
        async with self._http.events(self._target(ask), self._body(ask)) as chunks:
            async for chunk in chunks:
                events: list[Event] = []
                try:
                    self._read(splitter, chunk, translator, events)
                except UpstreamFailed:
                    if events:  # what came whole before the fault is the client's
                        yield events
                    raise
                if events:
                    yield events
                if translator.ended:
                    return
        raise malformed(self._entry.name, "ended a stream before its end")

    def _read(
        self,
        splitter: EventSplitter,
        chunk: bytes,
        translator: ChunkTranslator,
        events: list[Event],
    ) -> None:
        """Append the chunks of the events that `chunk` completes."""
        try:
            whole = splitter.feed(chunk)
        except EventTooLarge as fault:
            raise malformed(self._entry.name, "sent an event that is too large") from fault
        for data in filter(None, map(event_data, whole)):
            tree = read_json(data, self._entry.name)
            if tree.get("type") == "error":
                self._fail("ended a stream with an error", data)
            with self._broken_shapes():
                events.extend(translator.translate(tree))

    def _body(self, ask: Ask) -> bytes:
        chat: JsonObject = ask.request.body.tree
        return orjson.dumps(messages_request(chat, ask.model, self._max_tokens))

    def _target(self, ask: Ask) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        headers = {
            "content-type": "application/json",
            "anthropic-version": VERSION,
            **own.headers,
        }
        if own.key:
            headers["x-api-key"] = own.key
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        return Target(self._entry.name, self._messages, headers, own, _in_chat_format)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _fail(self, what: str, body: bytes) -> NoReturn:
        own = credentials_of(self._entry, self._secret)
        raise errored(self._entry.name, what, chat_error(own.hidden_in(body)))

    @contextmanager
    def _broken_shapes(self) -> Iterator[None]:
        """A message that lacks what every message has is no answer."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, orjson.JSONEncodeError) as fault:
            raise malformed(self._entry.name, "answered with a broken message") from fault


def _in_chat_format(reply: ErrorReply) -> ErrorReply:
    return replace(reply, body=chat_error(reply.body))
