"""Any upstream that speaks OpenAI's protocol: requests and replies pass byte for byte."""

import json
from typing import Any

import msgspec
import orjson
from yarl import URL

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, errored, malformed
from services.serving.domain.request import Kind, Request
from services.serving.domain.sse import EventSplitter, EventTooLarge, event_data
from services.serving.domain.usage import openai_usage
from services.serving.providers.credentials import Secret, credentials_of
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.upstream import Target, UpstreamHttp
from shared.interactions import Usage
from shared.live import Provider as ProviderEntry

DEFAULT_URL = "https://api.openai.com/v1"


class OpenAIProvider:
    """An OpenAI-compatible base URL.

    Options: `headers` (more headers to send) and `stream_usage` (false for a server that refuses
    `stream_options`; the usage of its streams is then unknown).
    """

    kinds = frozenset((Kind.CHAT, Kind.EMBEDDING))

    def __init__(self, entry: ProviderEntry, http: UpstreamHttp, secret: Secret) -> None:
        self._entry = entry
        self._http = http
        self._secret = secret
        base = (entry.base_url or DEFAULT_URL).rstrip("/")
        self._chat = URL(f"{base}/chat/completions")
        self._embeddings = URL(f"{base}/embeddings")
        self._asks_usage = entry.options.get("stream_usage") is not False

    async def complete(self, ask: Ask) -> Reply:
        body = ask.request.body.rewritten({"model": ask.model})
        return self._reply(await self._http.post(self._target(self._chat, ask), body), "choices")

    async def embed(self, ask: Ask) -> Reply:
        body = ask.request.body.rewritten({"model": ask.model})
        return self._reply(await self._http.post(self._target(self._embeddings, ask), body), "data")

    async def stream(self, ask: Ask) -> Stream:
        splitter = EventSplitter(self._http.limits.max_event_bytes)
        target = self._target(self._chat, ask)
        async with self._http.events(target, self._streaming_body(ask)) as chunks:
            async for chunk in chunks:
                events: list[Event] = []
                try:
                    done = self._read(splitter, chunk, events)
                except UpstreamFailed:
                    if events:  # what came whole before the fault is the client's
                        yield events
                    raise
                if events:
                    yield events
                if done:
                    return
        raise malformed(self._entry.name, "ended a stream before its end")

    def _target(self, url: URL, ask: Ask) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        headers = {"content-type": "application/json", **own.headers}
        if own.key:
            headers["authorization"] = f"Bearer {own.key}"
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        return Target(self._entry.name, url, headers, own)

    def _streaming_body(self, ask: Ask) -> bytes:
        changes: JsonObject = {"model": ask.model}
        if self._asks_usage and not ask.request.wants_usage:
            changes["stream_options"] = _with_usage(ask.request)
        return ask.request.body.rewritten(changes)

    def _reply(self, body: bytes, member: str) -> Reply:
        tree = read_json(body, self._entry.name)
        if tree.get("error"):
            raise self._told("answered with an error inside a 200", body)
        if not isinstance(tree.get(member), list) or not tree[member]:
            raise malformed(self._entry.name, f"answered without {member!r}")
        return Reply(body, tree, _usage(body, tree))

    def _read(self, splitter: EventSplitter, chunk: bytes, events: list[Event]) -> bool:
        """Append the events that a chunk completes; whether the one that ends the answer came."""
        try:
            for raw in splitter.feed(chunk):
                data = event_data(raw)
                if data is not None and data.strip() == b"[DONE]":
                    return True
                events.append(Event(raw) if data is None else self._event(raw, data))
        except EventTooLarge as fault:
            raise malformed(self._entry.name, "sent an event that is too large") from fault
        return False

    def _event(self, raw: bytes, data: bytes) -> Event:
        tree = read_json(data, self._entry.name)
        if tree.get("error"):
            raise self._told("ended a stream with an error", data)
        return Event(raw, tree, _usage(data, tree))

    def _told(self, what: str, body: bytes) -> UpstreamFailed:
        own = credentials_of(self._entry, self._secret)
        return errored(self._entry.name, what, own.hidden_in(body))


def read_json(body: bytes, provider: str) -> JsonObject:
    """The JSON object that an upstream sent.

    Servers that write JSON with the standard library send lone surrogates (half a character a delta)
    and NaN, which orjson refuses: such a text is passed on as it is, and read again more leniently.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        tree = _read_leniently(body, provider)
    if not isinstance(tree, dict):
        raise malformed(provider, "answered with JSON that is no object")
    return tree


def _read_leniently(body: bytes, provider: str) -> Any:
    if not body.strip():
        raise malformed(provider, "answered with an empty body")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise malformed(provider, "answered with what is no JSON") from fault


def _usage(body: bytes, tree: JsonObject) -> Usage | None:
    counts = tree.get("usage")
    if not isinstance(counts, dict):
        return None
    tier = tree.get("service_tier")
    return openai_usage(_raw_usage(body, counts), counts, tier if isinstance(tier, str) else "")


def _raw_usage(body: bytes, counts: JsonObject) -> str:
    """The usage's own bytes; written anew when the reply is JSON only to a lenient reader."""
    try:
        return bytes(_USAGE.decode(body).usage).decode()
    except msgspec.DecodeError:
        return json.dumps(counts)


def _with_usage(request: Request) -> JsonObject:
    options = request.body.tree.get("stream_options") or {}
    return {**options, "include_usage": True}


class _WithUsage(msgspec.Struct):
    usage: msgspec.Raw


_USAGE = msgspec.json.Decoder(_WithUsage)
