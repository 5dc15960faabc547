"""A Messages request as a chat completion's."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.protocols.faults import (
    refuse_others,
    refuse_unsupported,
    unsupported,
    wrong,
)
from services.serving.protocols.messages.blocks import chat_messages
from services.serving.protocols.tools import tool_fields

# From how many tokens for thinking on an effort is meant: Anthropic counts, OpenAI names.
EFFORTS: tuple[tuple[int, str], ...] = ((16_384, "high"), (4_096, "medium"), (0, "low"))

_CARRIED = frozenset(
    (
        *("model", "messages", "system", "max_tokens", "stop_sequences", "stream", "metadata"),
        *("temperature", "top_p", "top_k", "tools", "tool_choice", "thinking", "output_config"),
        *("service_tier", "cache_control", "context_management"),
    )
)
_AS_THEY_ARE = ("temperature", "top_p", "top_k", "stream")
# Beside what a function is: hints that change how an answer comes, and not what it says.
_OF_A_TOOL = frozenset(
    (
        *("type", "name", "description", "input_schema", "strict"),
        *("cache_control", "eager_input_streaming"),
    )
)
_TOOL_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}
_TIERS: Mapping[str, str | None] = {"auto": None, "standard_only": "default"}


def chat_request(tree: JsonObject) -> JsonObject:
    """The chat completion's request that asks the same. Raises `Invalid` for what a chat cannot carry.

    `top_k` keeps its name: some servers of OpenAI's protocol know it, and the others say so.
    """
    refuse_others(tree, _CARRIED)
    _refuse_edits(tree.get("context_management"))
    chat: JsonObject = {
        "model": tree["model"],
        "messages": chat_messages(tree.get("system"), tree["messages"]),
        "max_completion_tokens": tree["max_tokens"],
        **{name: tree[name] for name in _AS_THEY_ARE if tree.get(name) is not None},
    }
    optional = {
        "stop": tree.get("stop_sequences") or None,
        "user": _user(tree.get("metadata")),
        "service_tier": _tier(tree.get("service_tier")),
        **tool_fields(
            _tools(tree.get("tools")),
            _tool_choice(tree.get("tool_choice")),
            _parallel(tree.get("tool_choice")),
        ),
        "reasoning_effort": _effort(tree.get("thinking"), tree.get("output_config")),
        "response_format": _format(tree.get("output_config")),
    }
    return chat | {name: value for name, value in optional.items() if value is not None}


def _refuse_edits(context: Any) -> None:
    """Thoughts are passed over whatever is wished; other edits of what was said are the provider's to make."""
    if not isinstance(context, dict | None):
        raise wrong("context_management", "an object")
    refuse_others(context or {}, frozenset(("edits",)), "context_management.")
    edits = (context or {}).get("edits") or []
    if not isinstance(edits, list):
        raise wrong("context_management.edits", "a list")
    refuse_unsupported(
        f"context_management.edits[{place}]"
        for place, edit in enumerate(edits)
        if not (isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking_"))
    )


def _user(metadata: Any) -> str | None:
    """The one pair that the protocol knows; the others are the call's tags, and need not go on."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) else None


def _tier(tier: Any) -> str | None:
    if tier is None:
        return None
    if tier not in ("auto", "standard_only"):
        raise wrong("service_tier", "'auto' or 'standard_only'")
    return _TIERS[tier]


def _tools(tools: Any) -> Iterable[JsonObject]:
    if not isinstance(tools, list | None):
        raise wrong("tools", "a list of tools")
    for place, tool in enumerate(tools or ()):
        match tool:
            case {"type": str(kind)} if kind != "custom":
                raise unsupported(
                    f"'tools[{place}]' is of the type {kind[:64]!r}", param=f"tools[{place}]"
                )
            case {"name": str(name), "input_schema": dict(schema)}:
                refuse_others(tool, _OF_A_TOOL, f"tools[{place}].")
                more = {k: tool[k] for k in ("description", "strict") if tool.get(k) is not None}
                yield {
                    "type": "function",
                    "function": {"name": name, "parameters": schema, **more},
                }
            case _:
                raise wrong(f"tools[{place}]", "a tool with a 'name' and an 'input_schema'")


def _tool_choice(choice: Any) -> object:
    match choice:
        case None:
            return None
        case {"type": "tool", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "auto" | "any" | "none" as kind}:
            return _TOOL_CHOICES[kind]
        case _:
            raise wrong("tool_choice", "of the type auto, any, none, or tool with a name")


def _parallel(choice: Any) -> bool | None:
    disabled = isinstance(choice, dict) and choice.get("disable_parallel_tool_use")
    return False if disabled is True else None


def _effort(thinking: Any, output: Any) -> str | None:
    named = output.get("effort") if isinstance(output, dict) else None
    if isinstance(named, str):
        return "xhigh" if named == "max" else named
    match thinking:
        case None | {"type": "disabled" | "adaptive"}:
            return None
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return next(effort for least, effort in EFFORTS if budget >= least or not least)
        case _:
            raise wrong("thinking", "disabled, adaptive, or enabled with its budget_tokens")


def _format(output: Any) -> JsonObject | None:
    if not isinstance(output, dict | None):
        raise wrong("output_config", "an object")
    refuse_others(output or {}, frozenset(("effort", "format")), "output_config.")
    match (output or {}).get("format"):
        case None:
            return None
        case {"type": "json_schema", "schema": dict(schema)}:
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"type": "json_schema", "json_schema": named}
        case _:
            raise wrong("output_config.format", "of the type json_schema, with its schema")
