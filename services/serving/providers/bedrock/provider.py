"""The adapter: signs Converse requests, and gives their answers the chat completion's shape."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import orjson
from yarl import URL

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed, misconfigured
from services.serving.providers.bedrock.answering import chat_error, chat_reply, usage_of
from services.serving.providers.bedrock.asking import converse_request
from services.serving.providers.bedrock.events import ConverseReader
from services.serving.providers.bedrock.sigv4 import (
    AwsCredentials,
    Scope,
    Unsigned,
    signed_headers,
)
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.chat import unsupported
from services.serving.providers.chunks import Chunks
from services.serving.providers.credentials import Credentials, Secret, credentials_of
from services.serving.providers.port import Ask, Reply, Stream
from services.serving.providers.reading import read_json, relayed, whole_shapes
from services.serving.providers.upstream import Target, UpstreamHttp
from shared.clock import Clock
from shared.ids import new_id
from shared.live import Provider as ProviderEntry

_STREAM_TYPE = "application/vnd.amazon.eventstream"


class BedrockProvider:
    """Bedrock in one region.

    Options: `region`, `access_key_id`, `secret_access_key` and `session_token` (references; without
    them the provider's `api_key`, a Bedrock API key, is sent), and `headers` (more headers to send,
    which are not signed).
    """

    kinds = CAPABILITIES["bedrock"].kinds

    def __init__(
        self, entry: ProviderEntry, http: UpstreamHttp, secret: Secret, clock: Clock
    ) -> None:
        self._entry = entry
        self._http = http
        self._secret = secret
        self._clock = clock
        self._region = str(entry.options.get("region") or "")
        if not self._region:
            raise misconfigured(f"The provider {entry.name!r} has no region.")
        usual = f"https://bedrock-runtime.{self._region}.amazonaws.com"
        self._base = (entry.base_url or usual).rstrip("/")

    async def complete(self, ask: Ask) -> Reply:
        request = self._body(ask)
        body = await self._http.post(self._target(ask, "converse", request), request)
        reply = read_json(body, self._entry.name)
        if "output" not in reply:
            raise malformed(self._entry.name, "answered without 'output'")
        with whole_shapes(self._entry.name):
            usage = usage_of(reply, body, ask.model)
            tree = chat_reply(reply, usage, self._entry.name, self._head(ask))
            return Reply(orjson.dumps(tree), tree, usage)

    def stream(self, ask: Ask) -> Stream:
        request = self._body(ask)
        target = self._target(ask, "converse-stream", request)
        head = self._head(ask)
        chunks = Chunks(head["created"])
        chunks.name(head["id"], head["model"])
        reader = ConverseReader(
            self._entry.name,
            target.credentials,
            chunks,
            model=ask.model,
            limit=self._http.limits.max_event_bytes,
            tells_usage=ask.request.wants_usage,
        )
        return relayed(self._http, replace(target, stream_type=_STREAM_TYPE), request, reader)

    async def embed(self, ask: Ask) -> Reply:
        raise unsupported(f"{ask.model!r}: Bedrock's Converse has no embeddings.")

    def _body(self, ask: Ask) -> bytes:
        return orjson.dumps(converse_request(ask.request.body.tree, ask.model))

    def _head(self, ask: Ask) -> JsonObject:
        """What Converse does not say of its answers."""
        created = int(self._clock.now().timestamp())
        return {"id": f"chatcmpl-{new_id()}", "created": created, "model": ask.model}

    def _target(self, ask: Ask, method: str, body: bytes) -> Target:
        own = credentials_of(self._entry, self._secret, ask.key)
        url = f"{self._base}/model/{quote(ask.model, safe='')}/{method}"
        aws = self._aws()
        known = own
        if aws is not None:
            secrets = (*own.secrets, aws.secret_access_key, aws.session_token)
            known = replace(own, secrets=tuple(filter(None, secrets)))
        headers = {**own.headers, **self._authorized(url, body, own, aws)}
        if ask.traceparent:
            headers["traceparent"] = ask.traceparent
        return Target(self._entry.name, URL(url, encoded=True), headers, known, chat_error)

    def _authorized(
        self, url: str, body: bytes, own: Credentials, aws: AwsCredentials | None
    ) -> Mapping[str, str]:
        signed = {"content-type": "application/json"}
        if aws is None:
            bearer = {"authorization": f"Bearer {own.key}"} if own.key else {}
            return {**signed, **bearer}
        request, scope = Unsigned("POST", url, signed, body), Scope(self._region, "bedrock")
        return {**signed, **signed_headers(request, aws, scope, self._clock.now())}

    def _aws(self) -> AwsCredentials | None:
        """The access key; None when there is none. Raises `UpstreamFailed` for half of one."""
        options = self._entry.options
        given = [
            self._secret(str(options[name])) if options.get(name) else ""
            for name in ("access_key_id", "secret_access_key", "session_token")
        ]
        key_id, key, token = given
        if not key_id and not key:
            return None
        if not key_id or not key:
            raise misconfigured(f"The provider {self._entry.name!r} has half of an access key.")
        return AwsCredentials(key_id, key, token)
