"""A chat completion's request as a Messages request."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.providers.chat import (
    functions_of,
    media_of,
    most_tokens,
    object_in,
    parts_of,
    refuse_uncarried,
    stop_sequences,
    thoughts_of,
    tool_calls_of,
    unsupported,
    word_in,
)

DEFAULT_MAX_TOKENS = 4096

# Fields of the Messages API that a client may add to a chat request, passed on as they are.
_NATIVE = ("thinking", "top_k", "top_p", "cache_control")
_CARRIED = frozenset(
    (
        *_NATIVE,
        "output_config",
        *("max_tokens", "max_completion_tokens", "temperature", "stop", "tools", "tool_choice"),
        *("parallel_tool_calls", "response_format", "reasoning_effort", "service_tier"),
    )
)
_TOOL_CHOICES: Mapping[str, str] = {"auto": "auto", "required": "any", "none": "none"}
_TIERS: Mapping[str, str] = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}


def messages_request(chat: JsonObject, model: str, default_max_tokens: int) -> JsonObject:
    """The Messages request that asks the same. Raises `Invalid` for what the protocol cannot carry.

    An image's `detail` is left to the model; thoughts of earlier turns go back when they came with
    their signatures (`thinking_blocks`), and are of no use without.
    """
    refuse_uncarried(chat, _CARRIED, "Anthropic's protocol")
    system, messages = _conversation(chat["messages"])
    request: JsonObject = {
        "model": model,
        "max_tokens": most_tokens(chat) or default_max_tokens,
        "messages": messages,
    }
    if system:
        request["system"] = system
    if chat.get("stream"):
        request["stream"] = True
    if object_in(chat, "output_config"):
        request["output_config"] = chat["output_config"]
    _put_sampling(request, chat)
    _put_tools(request, chat)
    _put_format(request, chat.get("response_format"))
    _put_effort(request, word_in(chat, "reasoning_effort"))
    return request


def _conversation(given: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The system's blocks, and the turns: neighbours of one role are one turn, tool results the user's."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if message["role"] in ("system", "developer"):
            system += _blocks(message, where)
            continue
        blocks = _turn(message, where)
        spoken = "assistant" if message["role"] == "assistant" else "user"
        if turns and turns[-1]["role"] == spoken:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": spoken, "content": blocks})
    return system, turns


def _turn(message: JsonObject, where: str) -> list[JsonObject]:
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", "")}
        return [{**result, "content": _blocks(message, where)}]
    uses = [
        {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.arguments}
        for call in tool_calls_of(message, where)
    ]
    return [*_thoughts(message), *_blocks(message, where), *uses]


def _thoughts(message: JsonObject) -> Iterator[JsonObject]:
    for block in thoughts_of(message):
        match block:
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                yield {"type": "thinking", "thinking": text, "signature": signature}
            case {"type": "redacted_thinking", "data": str(data)}:
                yield {"type": "redacted_thinking", "data": data}
            case _:
                pass  # without a signature it is refused


def _blocks(message: JsonObject, where: str) -> list[JsonObject]:
    return [_block(part, place) for place, part in parts_of(message.get("content"), where)]


def _block(part: JsonObject, where: str) -> JsonObject:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            block: JsonObject = {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            block = {"type": "image", "source": _source(url, where)}
        case {"type": "file", "file": {"file_data": str(url), **more}}:
            block = {"type": "document", "source": _source(url, where)}
            if more.get("filename"):
                block["title"] = more["filename"]
        case _:
            raise unsupported(
                f"'{where}' is of a type that Anthropic's protocol cannot carry: "
                "expected text, image_url or file with file_data.",
            )
    if isinstance(part.get("cache_control"), dict):
        block["cache_control"] = part["cache_control"]
    return block


def _source(url: str, where: str) -> JsonObject:
    media = media_of(url, where)
    if media is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": media.media_type, "data": media.data}


def _put_sampling(request: JsonObject, chat: JsonObject) -> None:
    if isinstance(chat.get("temperature"), int | float):
        # OpenAI's range is 0 to 2, Anthropic's 0 to 1.
        request["temperature"] = min(chat["temperature"], 1)
    if stop_sequences(chat):
        request["stop_sequences"] = stop_sequences(chat)
    if isinstance(chat.get("user"), str):
        request["metadata"] = {"user_id": chat["user"]}
    tier = word_in(chat, "service_tier")
    if tier is not None:
        if tier not in _TIERS:
            raise unsupported(f"'service_tier' must be one of {', '.join(_TIERS)}.", "service_tier")
        request["service_tier"] = _TIERS[tier]
    request |= {name: chat[name] for name in _NATIVE if name in chat}


def _put_tools(request: JsonObject, chat: JsonObject) -> None:
    tools = [_tool(function) for function in functions_of(chat)]
    if tools:
        request["tools"] = tools
    choice = chat.get("tool_choice")
    match choice:
        case {"function": {"name": str(name)}}:
            request["tool_choice"] = {"type": "tool", "name": name}
        case str() if choice in _TOOL_CHOICES:
            request["tool_choice"] = {"type": _TOOL_CHOICES[choice]}
        case None:
            pass  # the protocol's own default is OpenAI's: auto
        case _:
            raise unsupported(
                "'tool_choice' must be a function, or auto, required or none.", "tool_choice"
            )
    if tools and chat.get("parallel_tool_calls") is False:
        chosen = request.setdefault("tool_choice", {"type": "auto"})
        if chosen["type"] != "none":
            chosen["disable_parallel_tool_use"] = True


def _tool(function: JsonObject) -> JsonObject:
    told = {key: function[key] for key in ("description", "strict") if function.get(key)}
    schema = function.get("parameters") or {"type": "object"}
    return {"name": function["name"], "input_schema": schema, **told}


def _put_format(request: JsonObject, wanted: Any) -> None:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            format_ = {"type": "json_schema", "schema": schema}
            request["output_config"] = {**request.get("output_config", {}), "format": format_}
        case None | {"type": "text"}:
            pass
        case _:
            raise unsupported(
                "'response_format' must be text or json_schema: Anthropic's protocol has no "
                "json_object.",
                "response_format",
            )


def _put_effort(request: JsonObject, effort: str | None) -> None:
    """An effort is one of thinking as well: the model thinks as much as it is worth, or not at all."""
    if effort is None:
        return
    if effort == "none":
        request.setdefault("thinking", {"type": "disabled"})
        return
    if effort not in _EFFORTS:
        told = ", ".join(("none", *_EFFORTS))
        raise unsupported(f"'reasoning_effort' must be one of {told}.", "reasoning_effort")
    request.setdefault("thinking", {"type": "adaptive"})
    request["output_config"] = {**request.get("output_config", {}), "effort": _EFFORTS[effort]}
