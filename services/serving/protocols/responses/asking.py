"""A Responses request as a chat completion's."""

from collections.abc import Iterable
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.protocols.faults import refuse_others, unsupported, wrong
from services.serving.protocols.responses.items import chat_messages
from services.serving.protocols.tools import tool_fields

_AS_THEY_ARE = (
    *("temperature", "top_p", "stream", "service_tier"),
    *("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
)
# What only a server that keeps responses can do.
_KEPT = ("previous_response_id", "conversation", "background", "store", "prompt")
_CARRIED = frozenset(
    (
        *_AS_THEY_ARE,
        *_KEPT,
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls"),
        *("text", "reasoning", "max_output_tokens", "metadata"),
        *("include", "truncation", "top_logprobs"),
        *("stream_options", "max_tool_calls"),  # of padding, and of tools that are not ours to call
    )
)
# Reasoning is not handed back to a chat: what would let a client do so is missed by nobody.
_INCLUDED = ("reasoning.encrypted_content",)
# How an answer reasons is asked; a summary comes wherever the upstream gives one.
_OF_REASONING = frozenset(("effort", "summary", "generate_summary"))
_OF_A_FUNCTION = frozenset(("type", "name", "description", "parameters", "strict"))


def chat_request(tree: JsonObject) -> JsonObject:
    """The chat completion's request that asks the same. Raises `Invalid` for what a chat cannot carry."""
    refuse_others(tree, _CARRIED)
    _refuse_what_is_kept(tree)
    _refuse_what_is_not_given(tree)
    chat: JsonObject = {
        "model": tree["model"],
        "messages": chat_messages(tree.get("instructions"), tree.get("input") or []),
        **{name: tree[name] for name in _AS_THEY_ARE if tree.get(name) is not None},
    }
    text = _object(tree, "text", frozenset(("format", "verbosity")))
    optional = {
        "max_completion_tokens": tree.get("max_output_tokens"),
        **tool_fields(
            _tools(tree.get("tools")),
            _tool_choice(tree.get("tool_choice")),
            tree.get("parallel_tool_calls"),
        ),
        "reasoning_effort": _object(tree, "reasoning", _OF_REASONING).get("effort"),
        "response_format": _format(text.get("format")),
        "verbosity": text.get("verbosity"),
    }
    return chat | {name: value for name, value in optional.items() if value is not None}


def _refuse_what_is_kept(tree: JsonObject) -> None:
    given = [name for name in _KEPT if tree.get(name)]
    if given:
        faults = (
            f"'{name}' needs a provider that keeps responses, and chats keep nothing"
            for name in given
        )
        raise unsupported(*faults, param=given[0])


def _refuse_what_is_not_given(tree: JsonObject) -> None:
    include = tree.get("include") or []
    if not isinstance(include, list):
        raise wrong("include", "a list")
    faults = [
        f"'include' {str(one)[:64]!r} is not given there" for one in include if one not in _INCLUDED
    ]
    if tree.get("truncation") not in (None, "disabled"):
        faults.append("'truncation' has no counterpart there")
    if tree.get("top_logprobs"):
        faults.append("'top_logprobs' has no counterpart there")
    if faults:
        raise unsupported(*faults)


def _object(tree: JsonObject, name: str, carried: frozenset[str]) -> JsonObject:
    value = tree.get(name)
    if not isinstance(value, dict | None):
        raise wrong(name, "an object")
    refuse_others(value or {}, carried, f"{name}.")
    return value or {}


def _tools(tools: Any) -> Iterable[JsonObject]:
    if not isinstance(tools, list | None):
        raise wrong("tools", "a list of tools")
    for place, tool in enumerate(tools or ()):
        match tool:
            case {"type": "function", "name": str()}:
                refuse_others(tool, _OF_A_FUNCTION, f"tools[{place}].")
                function = {k: v for k, v in tool.items() if k != "type" and v is not None}
                yield {"type": "function", "function": function}
            case {"type": str(kind)} if kind != "function":
                raise unsupported(
                    f"'tools[{place}]' is of the type {kind[:64]!r}, which its provider would run",
                    param=f"tools[{place}]",
                )
            case _:
                raise wrong(f"tools[{place}]", "a function with a name")


def _tool_choice(choice: Any) -> object:
    match choice:
        case None | "auto" | "none" | "required":
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case {"type": str(kind)} if kind != "function":
            raise unsupported(f"'tool_choice' is of the type {kind[:64]!r}", param="tool_choice")
        case _:
            raise wrong("tool_choice", "auto, none, required, or a function with a name")


def _format(wanted: Any) -> JsonObject | None:
    match wanted:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema", "name": str(), "schema": dict()}:
            named = {k: v for k, v in wanted.items() if k != "type" and v is not None}
            return {"type": "json_schema", "json_schema": named}
        case _:
            raise wrong("text.format", "text, json_object, or json_schema with a name and a schema")
