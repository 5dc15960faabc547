"""What differs between the servers that speak OpenAI's protocols, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.chat import asks_for, parts_of, unsupported
from shared.live import Provider as ProviderEntry

_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
_FUNCTIONS = frozenset(("functions", "function_call"))


@dataclass(frozen=True, slots=True)
class Server:
    """What differs at one kind of server.

    `base_url` is where it is (empty: wherever it is said to be), `dialect` how it counts (a name of
    `shared.prices.usage.dialects`), `asks_usage` whether it takes `stream_options`. Of a request's
    fields some are `renamed`; some it does not know, and they change no answer: they are `left_out`; what it
    would pass over, or never carry, is `refused`.
    """

    base_url: str = ""
    dialect: str = "openai"
    asks_usage: bool = True
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


# From each server's API reference; Mistral's also from mistralai 3.7 (`ChatCompletionRequest`).
SERVERS: Mapping[str, Server] = {
    "openai": Server("https://api.openai.com/v1"),
    "compatible": Server(),
    "mistral": Server(
        "https://api.mistral.ai/v1",
        dialect="mistral",
        asks_usage=False,  # the last chunk tells it unasked
        renamed={**_MAX_TOKENS, "seed": "random_seed"},
        left_out=frozenset(
            ("user", "store", "stream_options", "safety_identifier", "prompt_cache_retention")
        ),
        refused=_FUNCTIONS | {"audio", "modalities", "verbosity", "web_search_options"},
    ),
    "deepseek": Server(
        "https://api.deepseek.com",
        dialect="deepseek",
        renamed=_MAX_TOKENS,
        refused=_FUNCTIONS | {"parallel_tool_calls", "prediction"},
    ),
    "groq": Server("https://api.groq.com/openai/v1"),
    "together": Server("https://api.together.xyz/v1", renamed=_MAX_TOKENS),
    "openrouter": Server("https://openrouter.ai/api/v1", dialect="openrouter"),
    "xai": Server("https://api.x.ai/v1", dialect="xai_chat"),
    "ollama": Server(
        "http://127.0.0.1:11434/v1",
        renamed=_MAX_TOKENS,
        refused=_FUNCTIONS | {"tool_choice", "parallel_tool_calls", "prediction"},
    ),
    "vllm": Server("http://127.0.0.1:8000/v1"),
}


def dialect_at(entry: ProviderEntry) -> str:
    """How an upstream counts: as its kind does, or as whoever owns the host of its URL.

    >>> dialect_at(ProviderEntry("x", "openai", "https://api.x.ai/v1"))
    'xai_chat'
    """
    server = SERVERS.get(entry.kind, SERVERS["compatible"])
    host = urlsplit(entry.base_url).hostname
    owners = (each for each in SERVERS.values() if urlsplit(each.base_url).hostname == host)
    own = server.dialect != "openai" or not host
    return server.dialect if own else next(owners, server).dialect


@dataclass(frozen=True, slots=True)
class Wording:
    """How requests are worded for one kind of server."""

    kind: str
    server: Server
    unknown: frozenset[str]

    def changes(self, request_kind: Kind, tree: JsonObject) -> JsonObject:
        """The members to send under other names. Raises `Invalid` for what the server cannot carry."""
        if request_kind in (Kind.CHAT, Kind.COMPLETION):
            self._refuse(tree)
        renamed = self.server.renamed
        return {renamed[name]: tree[name] for name in renamed if tree.get(name) is not None}

    def dropped(self, tree: JsonObject) -> frozenset[str]:
        """The members that are not sent under their own names."""
        return (self.server.left_out | self.server.renamed.keys()) & tree.keys()

    def _refuse(self, tree: JsonObject) -> None:
        names = [name for name in self.unknown & tree.keys() if asks_for(name, tree[name])]
        if names:
            told = ", ".join(f"'{name}'" for name in sorted(names))
            raise unsupported(f"A provider of kind {self.kind} has no {told}.", min(names))
        able = CAPABILITIES[self.kind]
        if not able.json_schema and _wants_schema(tree):
            raise unsupported(
                f"A provider of kind {self.kind} keeps to no schema: 'response_format' must be "
                "text or json_object.",
                "response_format",
            )
        if not able.images and _shows_images(tree):
            raise unsupported(f"A provider of kind {self.kind} reads no images.", "messages")


def wording_of(kind: str, server: Server) -> Wording:
    """The wording for a kind of server: what its capabilities deny is unknown to it."""
    able = CAPABILITIES[kind]
    denied = (
        *(() if able.choices else ("n",)),
        *(() if able.logprobs else ("logprobs", "top_logprobs")),
        *(() if able.seed else ("seed",)),
        *(() if able.logit_bias else ("logit_bias",)),
        *(() if able.tools else ("tools",)),
    )
    return Wording(kind, server, server.refused.union(denied))


def _wants_schema(tree: JsonObject) -> bool:
    wanted = tree.get("response_format")
    return isinstance(wanted, dict) and wanted.get("type") == "json_schema"


def _shows_images(tree: JsonObject) -> bool:
    return any(
        part.get("type") == "image_url"
        for message in tree.get("messages", ())
        for _, part in parts_of(message.get("content"), "messages")
    )
