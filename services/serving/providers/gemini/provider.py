"""The adapter: asks generateContent, and gives its answers the chat completion's shape."""

import orjson
from yarl import URL

from services.serving.domain.failure import errored
from services.serving.domain.usage import chat_counts
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.credentials import Secret, credentials_of
from services.serving.providers.gemini.answering import (
    chat_error,
    chat_reply,
    error_in,
    usage_of,
)
from services.serving.providers.gemini.asking import content_request
from services.serving.providers.gemini.embedding import embed_requests, embedding_reply
from services.serving.providers.gemini.events import ContentEvents
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import SseReader, read_json, relayed, whole_shapes
from services.serving.providers.upstream import Target, UpstreamHttp
from shared.clock import Clock
from shared.live import Provider as ProviderEntry

DEFAULT_URL = "https://generativelanguage.googleapis.com/v1beta"


class GeminiProvider:
    """A base URL that answers `/models/{model}:generateContent`; its version is a part of it.

    Option: `headers` (more headers to send).
    """

    kinds = CAPABILITIES["gemini"].kinds

    def __init__(
        self, entry: ProviderEntry, http: UpstreamHttp, secret: Secret, clock: Clock
    ) -> None:
        self._entry = entry
        self._http = http
        self._secret = secret
        self._clock = clock
        self._base = (entry.base_url or DEFAULT_URL).rstrip("/")

    async def complete(self, ask: Ask) -> Reply:
        target = self._target(ask, "generateContent")
        body = await self._http.post(target, self._body(ask))
        reply = read_json(body, self._entry.name)
        if reply.get("error"):
            told = error_in(target.credentials.hidden_in(body))
            raise errored(self._entry.name, "answered with an error inside a 200", told)
        with whole_shapes(self._entry.name):
            usage = usage_of(reply, body)
            tree = chat_reply(reply, self._entry.name, self._now())
            if usage is not None:
                tree["usage"] = chat_counts(usage)
            return Reply(orjson.dumps(tree), tree, usage)

    def stream(self, ask: Ask) -> Stream:
        target = self._target(ask, "streamGenerateContent?alt=sse")
        events = ContentEvents(
            self._entry.name,
            target.credentials,
            created=self._now(),
            tells_usage=ask.request.wants_usage,
        )
        reader = SseReader(self._entry.name, self._http.limits.max_event_bytes, events)
        return relayed(self._http, target, self._body(ask), reader)

    async def embed(self, ask: Ask) -> Reply:
        asked = ask.request.body.tree
        requests = embed_requests(asked, ask.model)
        if len(requests) == 1:
            target, body = self._target(ask, "embedContent"), orjson.dumps(requests[0])
        else:
            target = self._target(ask, "batchEmbedContents")
            body = orjson.dumps({"requests": requests})
        reply = await self._http.post(target, body)
        return embedding_reply(reply, asked, ask.model, self._entry.name)

    def _body(self, ask: Ask) -> bytes:
        return orjson.dumps(content_request(ask.request.body.tree, ask.model))

    def _target(self, ask: Ask, method: str) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        headers = {"content-type": "application/json", **own.headers}
        if own.key:
            headers["x-goog-api-key"] = own.key
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        url = URL(f"{self._base}/models/{ask.model}:{method}")
        return Target(self._entry.name, url, headers, own, chat_error)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
