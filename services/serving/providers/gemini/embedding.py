"""Vectors of texts by embedContent (one text) and batchEmbedContents (several), in OpenAI's shape."""

import base64
import struct
from collections.abc import Sequence

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.usage import gemini_usage
from services.serving.providers.chat import unsupported
from services.serving.providers.port import Reply
from services.serving.providers.reading import read_json, verbatim, whole_shapes

_CARRIED = frozenset(("model", "input", "dimensions", "encoding_format", "user", "metadata"))


def embed_requests(asked: JsonObject, model: str) -> list[JsonObject]:
    """A request a text. Raises `Invalid` for tokens, and for what the protocol cannot carry."""
    others = [name for name in asked if name not in _CARRIED and asked[name] is not None]
    if others:
        raise unsupported(
            f"'{others[0][:256]}' has no counterpart in Google's protocol.", others[0]
        )
    given = asked["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("'input' must be texts: Google's protocol takes no tokens.", "input")
    size = asked.get("dimensions")
    more = {} if size is None else {"outputDimensionality": size}
    return [
        {"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **more}
        for text in texts
    ]


def embedding_reply(body: bytes, asked: JsonObject, model: str, provider: str) -> Reply:
    """The reply to one request or to several. Raises `UpstreamFailed` unless there is a vector for each text."""
    tree = read_json(body, provider)
    with whole_shapes(provider):
        vectors = [each["values"] for each in tree.get("embeddings") or [tree["embedding"]]]
        given = asked["input"]
        if len(vectors) != (1 if isinstance(given, str) else len(given)):
            raise malformed(provider, f"answered with {len(vectors)} vectors")
        told: JsonObject = {
            "object": "list",
            "data": _data(vectors, as_base64=asked.get("encoding_format") == "base64"),
            "model": model,
        }
        counts = tree.get("usageMetadata")
        if not isinstance(counts, dict):
            return Reply(orjson.dumps(told), told, None)
        usage = gemini_usage(verbatim(body, ("usageMetadata",), counts), counts)
        read = usage.input_tokens or 0
        told["usage"] = {"prompt_tokens": read, "total_tokens": read}
        return Reply(orjson.dumps(told), told, usage)


def _data(vectors: Sequence[list[float]], *, as_base64: bool) -> list[JsonObject]:
    return [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(vector) if as_base64 else vector,
        }
        for index, vector in enumerate(vectors)
    ]


def _packed(vector: list[float]) -> str:
    """OpenAI's base64: 32-bit floats, the lowest byte first."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except struct.error as fault:
        raise ValueError("a vector holds what is no number") from fault
