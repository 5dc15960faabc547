"""Operations that pass through to a server of OpenAI's protocol: bodies as they came, answers as they come."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

import orjson
from yarl import URL

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.passage import Passage, Shape
from services.serving.domain.request import Kind, Request
from services.serving.domain.usage import openai_usage
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.credentials import (
    Credentials,
    Secret,
    credentials_of,
    key_references,
)
from services.serving.providers.errors import in_openais_format
from services.serving.providers.openai.events import refuse_error
from services.serving.providers.openai.usage import usage_in
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import SseReader, cut_off, read_json, relayed
from services.serving.providers.upstream import Incoming, Target, UpstreamHttp
from shared.interactions import Usage
from shared.live import Provider as ProviderEntry

# What a reply must hold to be an answer; a sound's are its own.
_MEMBERS: Mapping[Kind, str] = {Kind.IMAGE: "data", Kind.MODERATION: "results", Kind.AUDIO: "text"}
_ENDS = (".completed", ".done")
_NO_ANSWERS = frozenset(("application/json", "text/html"))


@dataclass(frozen=True, slots=True)
class Head(Event):
    """What begins an answer in bytes: nothing of it is sent but its `media_type`."""

    raw: bytes = b""
    hidden: bool = True
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A path of a server's files or batches, as it is asked with which of its keys."""

    method: str
    path: str
    key: int = 0
    media_type: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


class Places(Protocol):
    """Where operations are at one upstream, and under which header its key."""

    def passed(self, path: str, model: str) -> URL:
        """Where an operation is asked; `model` is empty where none is meant."""
        ...

    def key_header(self, key: str) -> tuple[str, str]:
        """The header that carries a key."""
        ...


class OpenAIPassing:
    """One server, as it is asked for what passes through; satisfies `Provider`, and `Store` for its files."""

    def __init__(
        self, entry: ProviderEntry, http: UpstreamHttp, secret: Secret, places: Places
    ) -> None:
        able = CAPABILITIES[entry.kind]
        self.kinds = able.passes
        self.holds_files = able.files
        self._entry = entry
        self._http = http
        self._secret = secret
        self._places = places

    @property
    def key_names(self) -> Sequence[str]:
        """The references of its keys, in order."""
        return key_references(self._entry)

    async def complete(self, ask: Ask) -> Reply:
        name, target = self._entry.name, self._target(ask)
        body = await self._http.post(target, _body_of(ask))
        tree, member = read_json(body, name), _MEMBERS[ask.request.kind]
        if b'"error"' in body:
            refuse_error(tree, body, name, target.credentials, "an error inside a 200")
        if member not in tree:
            raise malformed(name, f"answered without {member!r}")
        return Reply(body, _in_chat_shape(tree), _usage_in(body, tree))

    async def embed(self, ask: Ask) -> Reply:
        return await self.complete(ask)

    def stream(self, ask: Ask) -> Stream:
        target = self._target(ask)
        if _passage(ask.request).shape is Shape.BYTES:
            return self._bytes(target, _body_of(ask))
        reader = PassedReader(self._entry.name, target.credentials)
        splitting = SseReader(self._entry.name, self._http.limits.max_event_bytes, reader)
        return relayed(self._http, target, _body_of(ask), splitting)

    async def fetch(self, place: Asked, body: bytes = b"") -> JsonObject:
        """What it says of a file or a batch. Raises `UpstreamFailed`."""
        pieces, limit, size = [], self._http.limits.max_reply_bytes, 0
        async with self.content(place, body) as incoming:
            async for chunk in incoming.chunks:
                size += len(chunk)
                if size > limit:
                    raise malformed(self._entry.name, f"answered with more than {limit} bytes")
                pieces.append(chunk)
        return read_json(b"".join(pieces), self._entry.name)

    def content(self, place: Asked, body: bytes = b"") -> AbstractAsyncContextManager[Incoming]:
        """A reply as it comes, as a block. Raises `UpstreamFailed`."""
        url = self._places.passed(place.path, "").update_query(dict(place.query))
        target = self._target_at(url, place.media_type, place.key)
        return self._http.reply(target, body, place.method)

    async def _bytes(self, target: Target, body: bytes) -> Stream:
        """Bytes as they come. The last piece is final: each is kept until there is another."""
        name = self._entry.name
        async with self._http.reply(target, body) as incoming:
            media_type = incoming.headers.get("content-type", "application/octet-stream")
            plain = media_type.partition(";")[0].strip().lower()
            if plain in _NO_ANSWERS:
                raise malformed(name, f"answered with {plain!r}")
            begun, kept = False, b""
            async for chunk in incoming.chunks:
                if kept:
                    yield [Event(kept)] if begun else [Head(media_type=media_type), Event(kept)]
                    begun = True
                kept = chunk
        if not kept:
            raise malformed(name, "answered with an empty body")
        last = Event(kept, final=True)
        yield [last] if begun else [Head(media_type=media_type), last]

    def _target(self, ask: Ask) -> Target:
        passage = _passage(ask.request)
        media_type = passage.form.media_type if passage.form else "application/json"
        url = self._places.passed(passage.path, ask.model)
        return self._target_at(url, media_type, ask.key, ask.traceparent)

    def _target_at(self, url: URL, media_type: str, key: int, traceparent: str = "") -> Target:
        own = credentials_of(self._entry, self._secret, key)
        headers = {**own.headers}
        if media_type:
            headers["content-type"] = media_type
        if own.key:
            name, value = self._places.key_header(own.key)
            headers[name] = value
        if traceparent:
            headers["traceparent"] = traceparent
        return Target(self._entry.name, url, headers, own, in_openais_format)


class PassedReader:
    """Reads the events of a picture or a sound; satisfies `EventReader`.

    Each that is done may be the last: it is kept until another comes, or the stream has ended.
    """

    def __init__(self, provider: str, credentials: Credentials) -> None:
        self.ended = False
        self._provider = provider
        self._credentials = credentials
        self._last: Event | None = None

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        if self._last is not None:
            events.append(replace(self._last, final=False))
            self._last = None
        if data is None:
            events.append(Event(raw))
        elif data.strip() == b"[DONE]":
            self.ended = True
            events.append(Event(raw, final=True))
        else:
            self._take(raw, data, events)

    def close(self, events: list[Event]) -> None:
        if self._last is None:
            raise cut_off(self._provider)
        events.append(self._last)

    def _take(self, raw: bytes, data: bytes, events: list[Event]) -> None:
        tree = read_json(data, self._provider)
        kind = str(tree.get("type", ""))
        if tree.get("error") or kind == "error":
            refuse_error(
                {**tree, "error": tree.get("error") or tree},
                data,
                self._provider,
                self._credentials,
            )
        event = Event(raw, _in_chat_shape(tree), _usage_in(data, tree))
        if kind.endswith(_ENDS) and kind != "transcript.text.segment.done":
            self._last = event
        else:
            events.append(event)


def _passage(request: Request) -> Passage:
    assert request.passage is not None, "only what passes through is asked here"
    return request.passage


def _body_of(ask: Ask) -> bytes:
    """The request as it came but for its model, and what the gate changed."""
    body, form = ask.request.body, _passage(ask.request).form
    if form is None:
        return body.rewritten({"model": ask.model})
    return form.rewritten({**body.tree, "model": ask.model})


def _in_chat_shape(tree: JsonObject) -> JsonObject:
    """What is written of a sound, as the account of a chat reads it."""
    text, model = tree.get("text"), tree.get("model")
    said: JsonObject = {"model": model} if isinstance(model, str) else {}
    if isinstance(text, str):
        said["choices"] = [{"index": 0, "message": {"role": "assistant", "content": text}}]
    return said


def _usage_in(body: bytes, tree: JsonObject) -> Usage | None:
    """The usage that an answer tells, or the seconds of sound that it is billed by."""
    told = usage_in(body, tree, "openai")
    seconds = tree.get("duration")
    if told is not None or not isinstance(seconds, int | float):
        return told
    raw = orjson.dumps({"type": "duration", "seconds": seconds}).decode()
    return openai_usage(raw, {}, "", "openai")
