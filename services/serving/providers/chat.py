"""What every protocol that is asked for a chat reads of it: which fields it carries, and what a message's parts hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from shared.errors import Invalid

# What is asked of an answer's bookkeeping, and not of the answer.
_BESIDE_THE_ANSWER = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "user", "safety_identifier"),
        *("metadata", "store", "prompt_cache_key", "prompt_cache_retention"),
    )
)
# What asks for no more than leaving the field out does.
_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto", "default"),
    "verbosity": ("medium",),
    "tools": ([],),
    "tool_choice": ("auto",),
}


@dataclass(frozen=True, slots=True)
class Media:
    """What a data URL holds: its media type, and its bytes in base64."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool's call, its arguments read; `given` is the call as the client wrote it."""

    call_id: str
    name: str
    arguments: JsonObject
    given: JsonObject


def refuse_uncarried(chat: JsonObject, carried: frozenset[str], protocol: str) -> None:
    """Raise `Invalid` with every field that is neither carried nor without effect: nothing is dropped silently."""
    names = [
        name
        for name, value in chat.items()
        if name not in carried and name not in _BESIDE_THE_ANSWER and asks_for(name, value)
    ]
    if names:
        faults = tuple(f"'{name[:256]}' has no counterpart there" for name in names)
        raise Invalid(
            f"The model is served by {protocol}: {'; '.join(faults)}.",
            faults=faults,
            param=names[0][:256],
            code="unsupported_parameter",
        )


def asks_for(name: str, value: object) -> bool:
    """Whether a field says more than leaving it out does.

    >>> asks_for("n", 1), asks_for("n", 2), asks_for("seed", None)
    (False, True, False)
    """
    return value is not None and value not in _DEFAULTS.get(name, ())


def unsupported(message: str, param: str | None = None) -> Invalid:
    """The refusal of what a protocol cannot say."""
    return Invalid(message, param=param, code="unsupported_parameter")


def parts_of(content: Any, where: str) -> Iterator[tuple[str, JsonObject]]:
    """The parts of a message's content, each with its place; a text is one part. Raises `Invalid`."""
    if content is None or content == "":
        return
    if isinstance(content, str):
        yield f"{where}.content", {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise Invalid(f"'{where}.content' must be a string or a list of parts.")
    for place, part in enumerate(content):
        if not isinstance(part, dict):
            raise Invalid(f"'{where}.content[{place}]' must be an object.")
        yield f"{where}.content[{place}]", part


def media_of(url: str, where: str) -> Media | None:
    """What a data URL holds; None for a URL that leads elsewhere. Raises `Invalid`."""
    if not url.startswith("data:"):
        return None
    kind, marker, data = url.removeprefix("data:").partition(";base64,")
    if not marker:
        raise Invalid(f"'{where}' must be a URL, or a data URL in base64.")
    return Media(kind.partition(";")[0], data)


def tool_calls_of(message: JsonObject, where: str) -> Iterator[ToolCall]:
    """The tools that an assistant's message calls. Raises `Invalid`."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"id": str(call_id), "function": {"name": str(name), **rest}}:
                arguments = _arguments(rest.get("arguments") or "{}", where)
                yield ToolCall(call_id, name, arguments, call)
            case _:
                raise Invalid(f"'{where}.tool_calls' must hold functions with an id and a name.")


def functions_of(chat: JsonObject) -> Iterator[JsonObject]:
    """The functions among a chat's tools, and there is nothing else among them. Raises `Invalid`."""
    tools = chat.get("tools") or []
    for place, tool in enumerate(tools if isinstance(tools, list) else [tools]):
        match tool:
            case {"type": "function", "function": {"name": str()} as function}:
                yield function
            case _:
                raise unsupported(f"'tools[{place}]' must be a function with a name.", "tools")


def word_in(chat: JsonObject, name: str) -> str | None:
    """A field that is one of a few words; None when it is absent. Raises `Invalid`."""
    value = chat.get(name)
    if not isinstance(value, str | None):
        raise Invalid(f"'{name}' must be a string.", param=name)
    return value


def object_in(chat: JsonObject, name: str) -> JsonObject:
    """A field that is an object; empty when it is absent. Raises `Invalid`."""
    value = chat.get(name)
    if not isinstance(value, dict | None):
        raise Invalid(f"'{name}' must be an object.", param=name)
    return value or {}


def thoughts_of(message: JsonObject) -> list[Any]:
    """The thoughts that a message carries back (`thinking_blocks`)."""
    blocks = message.get("thinking_blocks")
    return blocks if isinstance(blocks, list) else []


def most_tokens(chat: JsonObject) -> Any:
    """How many tokens the answer may have; None where the client set no bound."""
    return chat.get("max_completion_tokens") or chat.get("max_tokens")


def stop_sequences(chat: JsonObject) -> list[Any]:
    """What ends an answer."""
    stop = chat.get("stop") or []
    return stop if isinstance(stop, list) else [stop]


def _arguments(text: Any, where: str) -> JsonObject:
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError) as fault:
        raise Invalid(f"'{where}.tool_calls' must carry their arguments as JSON.") from fault
    if not isinstance(value, dict):
        raise Invalid(f"'{where}.tool_calls' must carry their arguments as a JSON object.")
    return value
