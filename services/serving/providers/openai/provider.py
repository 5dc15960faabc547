"""The adapter: requests and replies of chats, completions, responses and embeddings pass byte for byte."""

from collections.abc import Mapping
from typing import Protocol

import orjson
from yarl import URL

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.failure import errored, malformed, misconfigured
from services.serving.domain.request import Kind, Request
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.credentials import Secret, credentials_of
from services.serving.providers.errors import in_openais_format
from services.serving.providers.openai.events import ChunkReader, ResponseReader, refuse_error
from services.serving.providers.openai.passing import OpenAIPassing
from services.serving.providers.openai.servers import (
    SERVERS,
    Server,
    dialect_at,
    wording_of,
)
from services.serving.providers.openai.shapes import (
    chat_of_completion,
    chat_of_response,
    failure_of_response,
)
from services.serving.providers.openai.thoughts import in_plain_texts
from services.serving.providers.openai.usage import usage_in
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import (
    EventReader,
    SseReader,
    read_json,
    relayed,
    whole_shapes,
)
from services.serving.providers.upstream import Target, UpstreamHttp
from shared.live import Provider as ProviderEntry

# What a reply must hold to be an answer.
_MEMBERS: Mapping[Kind, str] = {
    Kind.CHAT: "choices",
    Kind.COMPLETION: "choices",
    Kind.EMBEDDING: "data",
    Kind.RESPONSE: "output",
}

# What a client of the same protocol says in a header, and its provider reads.
_BETA = "openai-beta"


class Addresses(Protocol):
    """Where the kinds of requests go at one upstream, and under which header its key."""

    def url(self, kind: Kind, model: str) -> URL:
        """Where a request for a model goes."""
        ...

    def passed(self, path: str, model: str) -> URL:
        """Where an operation that passes through is asked; `model` is empty where none is meant."""
        ...

    def key_header(self, key: str) -> tuple[str, str]:
        """The header that carries a key."""
        ...


class BaseUrl:
    """The paths of OpenAI under one URL; satisfies `Addresses`."""

    def __init__(self, base_url: str, paths: Mapping[Kind, str]) -> None:
        self._base = base_url.rstrip("/")
        self._urls = {kind: URL(f"{self._base}{path}") for kind, path in paths.items()}

    def url(self, kind: Kind, model: str) -> URL:  # noqa: ARG002 - the body names the model
        return self._urls[kind]

    def passed(self, path: str, model: str) -> URL:  # noqa: ARG002 - the body names the model
        return URL(f"{self._base}{path}")

    def key_header(self, key: str) -> tuple[str, str]:
        return "authorization", f"Bearer {key}"


class OpenAIProvider:
    """One server that speaks OpenAI's protocols.

    Options: `headers` (more headers to send) and `stream_usage` (false for a server that refuses
    `stream_options`; the usage of its streams is then unknown).
    """

    def __init__(
        self,
        entry: ProviderEntry,
        http: UpstreamHttp,
        secret: Secret,
        server: Server,
        addresses: Addresses,
    ) -> None:
        self.kinds = CAPABILITIES[entry.kind].kinds
        self.passing = OpenAIPassing(entry, http, secret, addresses)
        self._entry = entry
        self._http = http
        self._secret = secret
        self._addresses = addresses
        self._wording = wording_of(entry.kind, server)
        self._dialect = dialect_at(entry)
        self._asks_usage = server.asks_usage and entry.options.get("stream_usage") is not False

    async def complete(self, ask: Ask) -> Reply:
        kind, target = ask.request.kind, self._target(ask)
        body = await self._http.post(target, self._body(ask.request, ask.model))
        tree = read_json(body, self._entry.name)
        if b'"error"' in body:
            self._refuse_error(kind, tree, body, target)
        if not isinstance(tree.get(_MEMBERS[kind]), list) or not (
            tree[_MEMBERS[kind]] or kind is Kind.RESPONSE
        ):
            raise malformed(self._entry.name, f"answered without {_MEMBERS[kind]!r}")
        usage = usage_in(body, tree, self._dialect)
        plain = in_plain_texts(tree) if self._dialect == "mistral" else None
        with whole_shapes(self._entry.name):
            if plain is not None:
                return Reply(orjson.dumps(plain), plain, usage)
            return Reply(body, _account_shape(kind, tree), usage)

    async def embed(self, ask: Ask) -> Reply:
        return await self.complete(ask)

    def stream(self, ask: Ask) -> Stream:
        target = self._target(ask)
        reader = SseReader(
            self._entry.name, self._http.limits.max_event_bytes, self._reader(ask.request, target)
        )
        return relayed(self._http, target, self._body(ask.request, ask.model), reader)

    def _reader(self, request: Request, target: Target) -> EventReader:
        if request.kind is Kind.RESPONSE:
            return ResponseReader(self._entry.name, target.credentials, self._dialect)
        return ChunkReader(
            self._entry.name,
            target.credentials,
            self._dialect,
            tells_usage=request.wants_usage,
            legacy=request.kind is Kind.COMPLETION,
        )

    def _target(self, ask: Ask) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        headers = {"content-type": "application/json", **own.headers}
        if own.key:
            name, value = self._addresses.key_header(own.key)
            headers[name] = value
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        if _BETA in ask.request.headers:
            headers[_BETA] = ask.request.headers[_BETA]
        url = self._addresses.url(ask.request.kind, ask.model)
        return Target(self._entry.name, url, headers, own, in_openais_format)

    def _body(self, request: Request, model: str) -> bytes:
        tree = request.body.tree
        changes = {"model": model, **self._wording.changes(request.kind, tree)}
        streams_chunks = request.streaming and request.kind is not Kind.RESPONSE
        if streams_chunks and self._asks_usage and not request.wants_usage:
            changes["stream_options"] = _with_usage(tree)
        return _without(request.body, self._wording.dropped(tree)).rewritten(changes)

    def _refuse_error(self, kind: Kind, tree: JsonObject, body: bytes, target: Target) -> None:
        told = failure_of_response(tree) if kind is Kind.RESPONSE and "output" in tree else b""
        if told:
            what = "answered with a response that failed"
            raise errored(self._entry.name, what, target.credentials.hidden_in(told))
        refuse_error(tree, body, self._entry.name, target.credentials, "an error inside a 200")


def openai_provider(entry: ProviderEntry, http: UpstreamHttp, secret: Secret) -> OpenAIProvider:
    """The adapter of a kind in `SERVERS`. Raises `UpstreamFailed` for one that is nowhere."""
    server = SERVERS[entry.kind]
    base_url = entry.base_url or server.base_url
    if not base_url:
        raise misconfigured(f"The provider {entry.name!r} of kind {entry.kind} has no base_url.")
    addresses = BaseUrl(base_url, CAPABILITIES[entry.kind].paths)
    return OpenAIProvider(entry, http, secret, server, addresses)


def _account_shape(kind: Kind, tree: JsonObject) -> JsonObject:
    match kind:
        case Kind.COMPLETION:
            return chat_of_completion(tree, "message")
        case Kind.RESPONSE:
            return chat_of_response(tree)
        case _:
            return tree


def _without(body: Body, names: frozenset[str]) -> Body:
    return body.without(names) if names else body


def _with_usage(tree: JsonObject) -> JsonObject:
    options = tree.get("stream_options") or {}
    return {**options, "include_usage": True}
