"""What the demo model says: decided by the request alone, so that two runs are the same."""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Request, message_text
from services.serving.providers.demo.specimen import specimen

DEFAULT_DIMENSIONS = 64
MAX_DIMENSIONS = 4096

_INTRODUCTION = (
    "This is Leeway's built-in demo model, not a real language model: it has no knowledge, and only "
    "repeats what it reads. Add a provider to leeway.yaml to reach a real one. You said: "
)


@dataclass(frozen=True, slots=True)
class Script:
    """One answer, as often as `choices`: its text in pieces (a token each) or a tool's call, and counts."""

    pieces: Sequence[str]
    tool_calls: Sequence[JsonObject]
    finish_reason: str
    usage: Mapping[str, int]
    choices: int = 1

    @property
    def message(self) -> JsonObject:
        """The answer as a chat completion's message."""
        if self.tool_calls:
            return {"role": "assistant", "content": None, "tool_calls": self.tool_calls}
        return {"role": "assistant", "content": "".join(self.pieces)}


def script_of(request: Request) -> Script:
    """The answer to a chat.

    Metadata decides first: `leeway_demo_answer` is the text, `leeway_demo_input_tokens` and
    `leeway_demo_output_tokens` are the counts reported, whatever the length of the text.
    """
    tree = request.body.tree
    calls = [] if "leeway_demo_answer" in request.metadata else _tool_calls(request)
    text = "" if calls else _text(request)
    pieces = _PIECE.findall(text)
    bound = tree.get("max_completion_tokens") or tree.get("max_tokens")
    kept = pieces[:bound] if type(bound) is int and bound > 0 else pieces
    reason = "tool_calls" if calls else "stop" if len(kept) == len(pieces) else "length"
    choices = tree.get("n") or 1
    written = choices * (len(kept) + sum(len(_PIECE.findall(str(call))) for call in calls))
    read = sum(len(_PIECE.findall(message_text(message))) for message in tree["messages"])
    return Script(kept, calls, reason, _usage(request, read, written), choices)


def embedding_reply(request: Request, model: str) -> JsonObject:
    """The vectors of a request's texts: equal words give equal features, so like texts are near.

    Signed feature hashing of words (Weinberger et al. 2009, "Feature hashing for large scale
    multitask learning"), normalised to length 1. In fewer dimensions than `DEFAULT_DIMENSIONS` words
    would share features and cancel: there each word is a dense vector (Achlioptas 2003,
    "Database-friendly random projections").
    """
    tree = request.body.tree
    given = tree["input"]
    texts = [given] if isinstance(given, str) or type(given[0]) is int else given
    dimensions = _dimensions(tree.get("dimensions"))
    vectors = [_vector(str(text), dimensions) for text in texts]
    encoded = tree.get("encoding_format") == "base64"
    usage = _usage(request, sum(len(_PIECE.findall(str(text))) for text in texts), 0)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": _base64(v) if encoded else v}
            for i, v in enumerate(vectors)
        ],
        "model": model,
        "usage": {name: usage[name] for name in ("prompt_tokens", "total_tokens")},
    }


def _text(request: Request) -> str:
    canned = request.metadata.get("leeway_demo_answer")
    if canned is not None:
        return canned
    said = request.input_text.strip() or "nothing"
    match request.body.tree.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return orjson.dumps(specimen(schema)).decode()
        case {"type": "json_object"}:
            return orjson.dumps({"demo": True, "you_said": said}).decode()
        case _:
            return _INTRODUCTION + said


def _tool_calls(request: Request) -> list[JsonObject]:
    """A call of the tool that the request forces, or that the user names; not after a tool has answered."""
    tree = request.body.tree
    functions = dict(_functions(tree.get("tools")))
    name = _chosen(tree.get("tool_choice"), functions, request.input_text)
    if name is None or tree["messages"][-1]["role"] == "tool":
        return []
    arguments = orjson.dumps(specimen(functions[name]) or {}).decode()
    call_id = f"call_{hashlib.blake2b((name + arguments).encode(), digest_size=12).hexdigest()}"
    function = {"name": name, "arguments": arguments}
    return [{"id": call_id, "type": "function", "function": function}]


def _functions(tools: Any) -> Iterator[tuple[str, Any]]:
    for tool in tools if isinstance(tools, list) else ():
        match tool:
            case {"function": {"name": str(name), **rest}}:
                yield name, rest.get("parameters")


def _chosen(choice: Any, functions: Mapping[str, Any], said: str) -> str | None:
    match choice:
        case {"function": {"name": str(name)}} if name in functions:
            return name
        case "required":
            return next(iter(functions), None)
        case "none":
            return None
        case _:
            words = set(_WORD.findall(said.lower()))
            return next((n for n in functions if set(_WORD.findall(n.lower())) <= words), None)


def _usage(request: Request, read: int, written: int) -> dict[str, int]:
    read = _asked(request, "leeway_demo_input_tokens", read)
    written = _asked(request, "leeway_demo_output_tokens", written)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _asked(request: Request, name: str, otherwise: int) -> int:
    asked = request.metadata.get(name, "")
    return int(asked) if asked.isdecimal() and len(asked) < 10 else otherwise


def _dimensions(asked: Any) -> int:
    return asked if type(asked) is int and 0 < asked <= MAX_DIMENSIONS else DEFAULT_DIMENSIONS


def _vector(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        for place, value in _features(word, dimensions):
            vector[place] += value
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]


def _features(word: str, dimensions: int) -> Iterable[tuple[int, float]]:
    if dimensions < DEFAULT_DIMENSIONS:
        digest = hashlib.shake_256(word.encode()).digest(dimensions)
        return enumerate(byte - 127.5 for byte in digest)
    number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    return [((number >> 1) % dimensions, 1.0 if number & 1 else -1.0)]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


_PIECE = re.compile(r"\S+\s*|\s+")
_WORD = re.compile(r"[^\W_]+")
