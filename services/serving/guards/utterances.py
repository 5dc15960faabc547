"""The texts in a request or an answer, wherever they stand and in whatever protocol, and who says each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_letters, digits
from typing import Any

from services.serving.domain.failure import UpstreamFailed
from services.serving.guards.redaction import json_of

Path = tuple[str | int, ...]

MAX_DEPTH = 64

# A picture or a sound as text: no pattern can look into it, and a changed one is none.
_MIN_DATA_CHARS = 512


class Voice(StrEnum):
    """Who says something: the application's builder, its user, a tool's answer, or a model."""

    OPERATOR = "operator"
    USER = "user"
    TOOL = "tool"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text at its place. `encoded`: it is JSON text, or (`is_object`) an object that is written as such."""

    path: Path
    text: str
    voice: Voice
    encoded: bool = False
    is_object: bool = False

    @property
    def place(self) -> str:
        """The place as people write it: `messages[0].content`."""
        return place_of(self.path)


def asked(tree: Mapping[str, Any]) -> Iterator[Utterance]:
    """The texts of a request. Names, ids, settings, pictures and sounds are none.

    >>> [(one.place, one.text, one.voice.value) for one in asked({"system": "Be brief.", "model": "m",
    ...  "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]})]
    [('system', 'Be brief.', 'operator'), ('messages[0].content[0].text', 'Hi', 'user')]
    """
    for name, value in tree.items():
        voice = Voice.OPERATOR if name in _OPERATORS else Voice.USER
        yield from _in_member(name, value, (), voice)


def answered(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Utterance]:
    """The texts of an answer, or of an event of one, each a model's. Raises `UpstreamFailed` for one that is too deep."""
    for name, value in tree.items():
        if name == "response" and isinstance(value, dict):
            yield from answered(value, (*path, name))
        elif name not in _ECHOED or (isinstance(value, str) and name == "text"):
            yield from _in_member(name, value, path, Voice.MODEL)


def replaced(tree: Any, path: Path, value: Any) -> Any:
    """The tree with another value at a place; what lies beside the way to it is the same object."""
    if not path:
        return value
    step, *rest = path
    below = replaced(tree[step], tuple(rest), value)
    if isinstance(tree, dict):
        return {**tree, step: below}
    return [*tree[:step], below, *tree[int(step) + 1 :]]


def place_of(path: Path) -> str:
    """A place as people write it; a name that a stranger chose is a `*`.

    >>> place_of(("messages", 0, "content")), place_of(("input", "ann@example.org"))
    ('messages[0].content', 'input.*')
    """
    return "".join(map(_written, path)).removeprefix(".")


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step in _KNOWN else ".*"


def _in_member(name: str, value: Any, path: Path, voice: Voice) -> Iterator[Utterance]:
    at = (*path, name)
    match value:
        case str():
            if name not in _NO_TEXTS and value and not is_data(value):
                yield Utterance(at, value, voice, encoded=is_encoded(name, value))
        case dict() if name in _OBJECTS:
            yield Utterance(at, json_of(value).decode(), voice, encoded=True, is_object=True)
        case dict() | list():
            yield from _in(value, at, voice)


def _in(node: Any, path: Path, voice: Voice) -> Iterator[Utterance]:
    if len(path) > MAX_DEPTH:  # no request comes here: its reading refuses it
        raise UpstreamFailed(
            "The upstream answered with JSON that is nested too deep to be searched.",
            code="upstream_malformed",
            upstream_status=200,
        )
    if isinstance(node, dict):
        voice = _voice(node, voice)
        for name, value in node.items():
            yield from _in_member(name, value, path, voice)
        return
    for place, value in enumerate(node):
        if isinstance(value, str):
            if value and not is_data(value):
                yield Utterance((*path, place), value, voice, encoded=is_encoded("", value))
        elif isinstance(value, dict | list):
            yield from _in(value, (*path, place), voice)


def is_data(text: str) -> bool:
    """Whether a text is a picture or a sound: a data URL, or base64 of some length in one piece."""
    if text.startswith("data:"):
        return True
    return len(text) >= _MIN_DATA_CHARS and not text.strip(_BASE64)


def is_encoded(name: str, text: str) -> bool:
    """Whether a text is to be read as JSON: the arguments of a tool, and whatever begins like JSON."""
    return name in _ENCODED or text.lstrip()[:1] in ("{", "[")


def _voice(node: Mapping[str, Any], voice: Voice) -> Voice:
    if voice is Voice.MODEL:
        return voice
    role = node.get("role")
    if isinstance(role, str) and role in _ROLES:
        return _ROLES[role]
    return Voice.TOOL if node.get("type") in _TOOL_ANSWERS else voice


_BASE64 = f"{ascii_letters}{digits}+/_-="
_ROLES: Mapping[str, Voice] = {
    "system": Voice.OPERATOR,
    "developer": Voice.OPERATOR,
    "user": Voice.USER,
    "assistant": Voice.MODEL,
    "tool": Voice.TOOL,
    "function": Voice.TOOL,
}
_TOOL_ANSWERS = frozenset(("tool_result", "function_call_output", "custom_tool_call_output"))
_OPERATORS = frozenset(
    ("system", "instructions", "tools", "functions", "response_format", "text", "tool_choice")
)
# Of an answer of Responses: what the request said, told again.
_ECHOED = frozenset(("instructions", "tools", "metadata", "text", "tool_choice", "usage", "error"))
_ENCODED = frozenset(("arguments", "partial_json"))
_OBJECTS = frozenset(("arguments", "input", "metadata", "args"))
_NO_TEXTS = frozenset(
    {
        *("model", "role", "type", "id", "object", "status", "format", "detail", "media_type"),
        *("tool_call_id", "call_id", "tool_use_id", "item_id", "previous_response_id", "file_id"),
        *("finish_reason", "stop_reason", "system_fingerprint", "service_tier", "encoding_format"),
        *("signature", "encrypted_content", "data", "b64_json", "file_data", "reasoning_effort"),
        *("verbosity", "effort", "prompt_cache_key", "container"),
    }
)
# What places are called by: other names may hold what was found.
_KNOWN = frozenset(
    {
        *_OPERATORS,
        *_OBJECTS,
        *_ENCODED,
        *("messages", "content", "refusal", "reasoning", "reasoning_content", "summary", "prompt"),
        *("tool_calls", "function", "function_call", "description", "parameters", "name", "user"),
        *("choices", "message", "delta", "output", "item", "part", "stop", "stop_sequences"),
        *(
            "thinking",
            "image_url",
            "url",
            "title",
            "suffix",
            "response",
            "tool",
            "response.output_text",
            "safety_identifier",
            "logprobs",
        ),
    }
)
