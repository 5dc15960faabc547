"""What each kind of provider can be asked, in one table: routing and `GET /v1/models` read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.serving.domain.request import Kind

_CHAT = {Kind.CHAT: "/chat/completions"}
_EMBEDDING = {Kind.EMBEDDING: "/embeddings"}
_TEXT = {Kind.COMPLETION: "/completions"}
_RESPONSE = {Kind.RESPONSE: "/responses"}
_MEDIA = frozenset((Kind.IMAGE, Kind.AUDIO))
_PASSED = _MEDIA | {Kind.MODERATION}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of provider answers natively, by its HTTP path there, and what a chat may ask of it.

    `tools`, `images` (in), `documents` (in), `audio` (in), `json_schema` (of the answer), `choices`
    (`n` above one), `logprobs`, `seed`, `logit_bias`; `stream_usage`: its streams tell what was used;
    `thoughts`: its models sign what they think, and want it back (`thinking_blocks`).
    What a model makes of it is the model's own; what the protocol itself cannot carry is refused. It
    `passes` kinds that are no conversations, and may have `files` and batches.
    """

    paths: Mapping[Kind, str]
    tools: bool = True
    images: bool = True
    documents: bool = True
    audio: bool = False
    json_schema: bool = True
    choices: bool = False
    logprobs: bool = False
    seed: bool = False
    logit_bias: bool = False
    stream_usage: bool = True
    thoughts: bool = False
    passes: frozenset[Kind] = frozenset()
    files: bool = False

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it answers in the protocol of the request itself."""
        return frozenset(self.paths)


CAPABILITIES: Mapping[str, Capabilities] = {
    "openai": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        audio=True,
        choices=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
        passes=_PASSED,
        files=True,
    ),
    "azure": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        audio=True,
        choices=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
        passes=_MEDIA,
        files=True,
    ),
    "compatible": Capabilities(
        {**_CHAT, **_TEXT, **_EMBEDDING},
        audio=True,
        choices=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
        passes=_PASSED,
        files=True,
    ),
    "mistral": Capabilities({**_CHAT, **_EMBEDDING}, choices=True, logprobs=True, seed=True),
    "deepseek": Capabilities(
        {**_CHAT}, images=False, documents=False, json_schema=False, logprobs=True
    ),
    "groq": Capabilities({**_CHAT, **_RESPONSE}, documents=False, seed=True),
    "together": Capabilities(
        {**_CHAT, **_TEXT, **_EMBEDDING},
        documents=False,
        choices=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
    ),
    "openrouter": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        audio=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
    ),
    "xai": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        documents=False,
        choices=True,
        logprobs=True,
        seed=True,
    ),
    "ollama": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        documents=False,
        logprobs=True,
        seed=True,
    ),
    "vllm": Capabilities(
        {**_CHAT, **_TEXT, **_RESPONSE, **_EMBEDDING},
        audio=True,
        choices=True,
        logprobs=True,
        seed=True,
        logit_bias=True,
    ),
    "anthropic": Capabilities(
        {Kind.CHAT: "/v1/messages", Kind.MESSAGE: "/v1/messages"}, thoughts=True
    ),
    "gemini": Capabilities(
        {
            Kind.CHAT: "/models/{model}:generateContent",
            Kind.EMBEDDING: "/models/{model}:batchEmbedContents",
        },
        audio=True,
        choices=True,
        logprobs=True,
        seed=True,
    ),
    "bedrock": Capabilities({Kind.CHAT: "/model/{model}/converse"}, thoughts=True),
    "demo": Capabilities(
        {**_CHAT, **_EMBEDDING}, choices=True, logprobs=True, seed=True, logit_bias=True
    ),
}
