"""The adapter: messages pass byte for byte, and chats are asked and answered as messages."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import orjson
from yarl import URL

from services.serving.domain.failure import errored, malformed
from services.serving.domain.request import Kind
from services.serving.domain.usage import anthropic_usage
from services.serving.providers.anthropic.answering import chat_error, chat_reply
from services.serving.providers.anthropic.asking import DEFAULT_MAX_TOKENS, messages_request
from services.serving.providers.anthropic.events import ChunkTranslator, MessageReader
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.chat import unsupported
from services.serving.providers.credentials import Secret, credentials_of
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import (
    SseReader,
    read_json,
    relayed,
    verbatim,
    whole_shapes,
)
from services.serving.providers.upstream import ErrorReply, Target, UpstreamHttp
from shared.clock import Clock
from shared.live import Provider as ProviderEntry

DEFAULT_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"

# What a client of the same protocol says in headers, and its provider reads.
_CLIENTS_OWN = ("anthropic-version", "anthropic-beta")


class AnthropicProvider:
    """A base URL that answers `/v1/messages`, and counts their tokens; satisfies `Provider` and `Counter`.

    Options: `headers` (more headers to send, `anthropic-beta` for one) and `max_tokens` (for chats
    that set no bound: the protocol wants one).
    """

    kinds = CAPABILITIES["anthropic"].kinds

    def __init__(
        self, entry: ProviderEntry, http: UpstreamHttp, secret: Secret, clock: Clock
    ) -> None:
        self._entry = entry
        self._http = http
        self._secret = secret
        self._clock = clock
        base = (entry.base_url or DEFAULT_URL).rstrip("/").removesuffix("/v1")
        self._messages = URL(f"{base}/v1/messages")
        self._count_tokens = URL(f"{base}/v1/messages/count_tokens")
        bound = entry.options.get("max_tokens")
        self._max_tokens = bound if isinstance(bound, int) else DEFAULT_MAX_TOKENS

    async def complete(self, ask: Ask) -> Reply:
        native, target = _is_native(ask), self._target(ask)
        body = await self._http.post(target, self._body(ask))
        message = read_json(body, self._entry.name)
        if message.get("type") == "error" or message.get("error"):
            hidden = target.credentials.hidden_in(body)
            told = hidden if native else chat_error(hidden)
            raise errored(self._entry.name, "answered with an error inside a 200", told)
        with whole_shapes(self._entry.name):
            counts = message["usage"]
            usage = anthropic_usage(verbatim(body, ("usage",), counts), counts)
            tree = chat_reply(message, usage, self._now())
            return Reply(body if native else orjson.dumps(tree), tree, usage)

    async def count(self, ask: Ask) -> bytes:
        target = replace(self._target(ask), url=self._count_tokens)
        body = await self._http.post(target, ask.request.body.rewritten({"model": ask.model}))
        told = read_json(body, self._entry.name)
        if told.get("type") == "error" or told.get("error"):
            hidden = target.credentials.hidden_in(body)
            raise errored(self._entry.name, "answered with an error inside a 200", hidden)
        if type(told.get("input_tokens")) is not int:
            raise malformed(self._entry.name, "counted without 'input_tokens'")
        return body

    async def embed(self, ask: Ask) -> Reply:
        raise unsupported(f"{ask.model!r}: Anthropic's protocol has no embeddings.")

    def stream(self, ask: Ask) -> Stream:
        target = self._target(ask)
        translator = ChunkTranslator(self._now(), tells_usage=ask.request.wants_usage)
        events = MessageReader(
            self._entry.name, target.credentials, translator, native=_is_native(ask)
        )
        reader = SseReader(self._entry.name, self._http.limits.max_event_bytes, events)
        return relayed(self._http, target, self._body(ask), reader)

    def _body(self, ask: Ask) -> bytes:
        body = ask.request.body
        if _is_native(ask):
            return body.rewritten({"model": ask.model})
        return orjson.dumps(messages_request(body.tree, ask.model, self._max_tokens))

    def _target(self, ask: Ask) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        headers = {
            "content-type": "application/json",
            "anthropic-version": VERSION,
            **own.headers,
            **_clients_own(ask, own.headers),
        }
        if own.key:
            headers["x-api-key"] = own.key
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        read_error: Callable[[ErrorReply], ErrorReply] = (
            _as_it_is if _is_native(ask) else _in_chat_format
        )
        return Target(self._entry.name, self._messages, headers, own, read_error)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _is_native(ask: Ask) -> bool:
    return ask.request.kind is Kind.MESSAGE


def _clients_own(ask: Ask, options: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a client that speaks the protocol itself; its betas are added to the options'."""
    if not _is_native(ask):
        return {}
    told = ask.request.headers
    given = {name: told[name] for name in _CLIENTS_OWN if told.get(name)}
    betas = [each["anthropic-beta"] for each in (options, given) if "anthropic-beta" in each]
    return {**given, **({"anthropic-beta": ",".join(betas)} if betas else {})}


def _as_it_is(reply: ErrorReply) -> ErrorReply:
    return reply


def _in_chat_format(reply: ErrorReply) -> ErrorReply:
    return replace(reply, body=chat_error(reply.body))
