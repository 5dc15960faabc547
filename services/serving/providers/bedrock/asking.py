"""A chat completion's request as a Converse request."""

import re
from collections.abc import Iterator, Mapping

import orjson

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

_IMAGES: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
# Fields of Converse itself that a client may add, passed on as they are.
_NATIVE = ("additionalModelRequestFields", "guardrailConfig", "performanceConfig")
_CARRIED = frozenset(
    (
        *_NATIVE,
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop"),
        *("tools", "tool_choice", "response_format", "reasoning_effort", "service_tier"),
    )
)
# A document's name: letters, digits, single spaces, hyphens, parentheses, brackets; 200 at most.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+")
_MAX_NAME_CHARS = 200


def converse_request(chat: JsonObject, model: str) -> JsonObject:
    """The request that asks the same. Raises `Invalid` for what Converse cannot carry.

    A part's `cache_control` is a cache point behind it; an image's `detail` is left to the model.
    """
    refuse_uncarried(chat, _CARRIED, "Bedrock's Converse")
    system, messages = _conversation(chat["messages"])
    request: JsonObject = {"messages": messages}
    if system:
        request["system"] = system
    inference = _inference(chat)
    if inference:
        request["inferenceConfig"] = inference
    _put_tools(request, chat)
    _put_output(request, chat)
    if chat.get("service_tier") not in (None, "auto"):
        request["serviceTier"] = {"type": chat["service_tier"]}
    request |= {name: chat[name] for name in _NATIVE if name in chat}
    _put_claudes_own(request, chat, model)
    return request


def _conversation(given: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The system's blocks, and the turns: neighbours of one role are one turn, tools answer as the user."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if message["role"] in ("system", "developer"):
            system += _blocks(message, where)
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _turn(message, where)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return system, turns


def _turn(message: JsonObject, where: str) -> list[JsonObject]:
    if message["role"] == "tool":
        result = {
            "toolUseId": message.get("tool_call_id", ""),
            "content": _blocks(message, where),
        }
        return [{"toolResult": result}]
    uses = [
        {"toolUse": {"toolUseId": call.call_id, "name": call.name, "input": call.arguments}}
        for call in tool_calls_of(message, where)
    ]
    return [*_thoughts(message), *_blocks(message, where), *uses]


def _thoughts(message: JsonObject) -> Iterator[JsonObject]:
    """The thoughts that came with signatures, which the model wants back before what it called."""
    for block in thoughts_of(message):
        match block:
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                yield {
                    "reasoningContent": {"reasoningText": {"text": text, "signature": signature}}
                }
            case {"type": "redacted_thinking", "data": str(data)}:
                yield {"reasoningContent": {"redactedContent": data}}
            case _:
                pass  # without a signature it is of no use to the model


def _blocks(message: JsonObject, where: str) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for place, part in parts_of(message.get("content"), where):
        blocks.append(_block(part, place))
        match part.get("cache_control"):
            case {"type": "ephemeral", **more}:
                kept = {"ttl": more["ttl"]} if "ttl" in more else {}
                blocks.append({"cachePoint": {"type": "default", **kept}})
            case _:
                pass
    return blocks


def _block(part: JsonObject, where: str) -> JsonObject:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"image": _source(url, _IMAGES, where)}
        case {"type": "file", "file": {"file_data": str(url), **more}}:
            name = _NOT_IN_A_NAME.sub(" ", str(more.get("filename") or "document")).strip()
            named = {"name": name[:_MAX_NAME_CHARS] or "document"}
            return {"document": {**named, **_source(url, _DOCUMENTS, where)}}
        case _:
            raise unsupported(
                f"'{where}' is of a type that Bedrock's Converse cannot carry: "
                "expected text, image_url or file with file_data.",
            )


def _source(url: str, formats: Mapping[str, str], where: str) -> JsonObject:
    media = media_of(url, where)
    if media is None:
        raise unsupported(f"'{where}' must be a data URL: Bedrock's Converse loads no others.")
    if media.media_type not in formats:
        raise unsupported(f"'{where}' must be one of {', '.join(formats)}.")
    return {"format": formats[media.media_type], "source": {"bytes": media.data}}


def _inference(chat: JsonObject) -> JsonObject:
    given = {
        "maxTokens": most_tokens(chat),
        "temperature": chat.get("temperature"),
        "topP": chat.get("top_p"),
        "stopSequences": stop_sequences(chat) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _put_tools(request: JsonObject, chat: JsonObject) -> None:
    tools = [{"toolSpec": _specification(function)} for function in functions_of(chat)]
    if not tools:
        return
    choice: JsonObject = {}
    match chat.get("tool_choice"):
        case None | "auto":
            pass
        case "required":
            choice = {"toolChoice": {"any": {}}}
        case {"function": {"name": str(name)}}:
            choice = {"toolChoice": {"tool": {"name": name}}}
        case "none" if not _has_called(request["messages"]):
            return  # without tools none is called
        case _:
            raise unsupported(
                "'tool_choice' must be a function, auto or required: Bedrock's Converse has no other "
                "once tools have been called.",
                "tool_choice",
            )
    request["toolConfig"] = {"tools": tools, **choice}


def _has_called(messages: list[JsonObject]) -> bool:
    return any("toolUse" in block for message in messages for block in message["content"])


def _specification(function: JsonObject) -> JsonObject:
    schema = function.get("parameters") or {"type": "object"}
    told = {key: function[key] for key in ("description", "strict") if function.get(key)}
    return {"name": function["name"], "inputSchema": {"json": schema}, **told}


def _put_output(request: JsonObject, chat: JsonObject) -> None:
    output: JsonObject = {}
    match chat.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **more}}:
            named = {key: more[key] for key in ("name", "description") if more.get(key)}
            structure = {"jsonSchema": {"schema": orjson.dumps(schema).decode(), **named}}
            output["textFormat"] = {"type": "json_schema", "structure": structure}
        case None | {"type": "text"}:
            pass
        case _:
            raise unsupported("'response_format' must be text or json_schema.", "response_format")
    effort = word_in(chat, "reasoning_effort")
    if effort is not None:
        if effort not in _EFFORTS:
            raise unsupported(f"'reasoning_effort' must be one of {', '.join(_EFFORTS)}.")
        output["effort"] = _EFFORTS[effort]
    if output:
        request["outputConfig"] = output


def _put_claudes_own(request: JsonObject, chat: JsonObject, model: str) -> None:
    """What Claude takes beside Converse's own fields, as an effort that it shall think with."""
    fields = dict(object_in(request, "additionalModelRequestFields"))
    top_k = chat.get("top_k")
    if "anthropic" in model.split("."):
        if chat.get("reasoning_effort") is not None:
            fields.setdefault("thinking", {"type": "adaptive"})
        if top_k is not None:
            fields["top_k"] = top_k
    elif top_k is not None:
        raise unsupported("'top_k' has no counterpart in Bedrock's Converse.", "top_k")
    if fields:
        request["additionalModelRequestFields"] = fields
