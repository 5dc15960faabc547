"""A prompt's version said in each protocol: what it changes of a request's body, in which the client's word wins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind
from services.serving.prompts.port import Message, Version
from services.serving.providers.anthropic.asking import messages_request
from shared.errors import Invalid

Saying = Callable[[Version, Sequence[Message], JsonObject], JsonObject]

# Two names of one bound: the request's, under either name, stands.
_BOUNDS = frozenset(("max_tokens", "max_completion_tokens"))
# How parameters are called in Responses; the others that it has stand elsewhere in it.
_OF_RESPONSES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "parallel_tool_calls": "parallel_tool_calls",
}
_OTHERWISE_IN_RESPONSES = frozenset(("reasoning_effort", "tool_choice"))


def in_chat(version: Version, messages: Sequence[Message], tree: JsonObject) -> JsonObject:
    """The members of a chat completion that a version adds; its messages stand before the request's own."""
    said = {**version.parameters, **_tools_and_format(version)}
    bounded = any(tree.get(name) is not None for name in _BOUNDS)
    defaults = {name: value for name, value in said.items() if not (bounded and name in _BOUNDS)}
    turns = [{"role": message.role, "content": message.content} for message in messages]
    return {**_unsaid(defaults, tree), "messages": [*turns, *(tree.get("messages") or ())]}


def in_message(version: Version, messages: Sequence[Message], tree: JsonObject) -> JsonObject:
    """The members of a Messages request. Raises `Invalid` for what has no counterpart there."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    chat = {**version.parameters, **_tools_and_format(version), "messages": turns}
    said = messages_request(chat, "", default_max_tokens=1)
    if _BOUNDS.isdisjoint(version.parameters):
        del said["max_tokens"]
    del said["model"]
    system = [*said.pop("system", ()), *_blocks(tree.get("system"))]
    turns = [*said.pop("messages"), *(tree.get("messages") or ())]
    changes = {**_unsaid(said, tree), "messages": turns}
    return {**changes, "system": system} if system else changes


def in_response(version: Version, messages: Sequence[Message], tree: JsonObject) -> JsonObject:
    """The members of a Responses request. Raises `Invalid` for what it does not have."""
    parameters = version.parameters
    faults = tuple(
        f"'{name}' has no counterpart there"
        for name in parameters
        if name not in _OF_RESPONSES and name not in _OTHERWISE_IN_RESPONSES
    )
    if faults:
        raise Invalid(
            f"The prompt is asked for in Responses: {'; '.join(faults)}.",
            faults=faults,
            code="unsupported_parameter",
        )
    said: JsonObject = {
        name: parameters[own] for own, name in _OF_RESPONSES.items() if own in parameters
    }
    if "reasoning_effort" in parameters:
        said["reasoning"] = {"effort": parameters["reasoning_effort"]}
    if "tool_choice" in parameters:
        said["tool_choice"] = _flat(parameters["tool_choice"], "function")
    if version.tools:
        said["tools"] = [_flat(tool, "function") for tool in version.tools]
    changes = _unsaid(said, tree)
    text = tree.get("text") or {}
    if version.response_format is not None and text.get("format") is None:
        changes["text"] = {**text, "format": _flat(version.response_format, "json_schema")}
    items = [{"role": message.role, "content": message.content} for message in messages]
    given = tree.get("input")
    own = [{"role": "user", "content": given}] if isinstance(given, str) else given or ()
    return {**changes, "input": [*items, *own]}


SAYINGS: Mapping[Kind, Saying] = {
    Kind.CHAT: in_chat,
    Kind.MESSAGE: in_message,
    Kind.RESPONSE: in_response,
}


def _tools_and_format(version: Version) -> JsonObject:
    said: JsonObject = {}
    if version.tools:
        said["tools"] = list(version.tools)
    if version.response_format is not None:
        said["response_format"] = version.response_format
    return said


def _unsaid(said: JsonObject, tree: JsonObject) -> JsonObject:
    """What of it the request does not say itself."""
    return {name: value for name, value in said.items() if tree.get(name) is None}


def _blocks(system: Any) -> Sequence[JsonObject]:
    return [{"type": "text", "text": system}] if isinstance(system, str) else system or ()


def _flat(value: Any, inner: str) -> Any:
    """What chat completions nest under a name of its own, as Responses has it: on one level."""
    if not isinstance(value, dict) or not isinstance(value.get(inner), dict):
        return value
    rest = {name: each for name, each in value.items() if name != inner}
    return {**rest, **value[inner]}
