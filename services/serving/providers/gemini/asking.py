"""A chat completion's request as a generateContent request."""

import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.providers.chat import (
    functions_of,
    media_of,
    most_tokens,
    parts_of,
    refuse_uncarried,
    stop_sequences,
    tool_calls_of,
    unsupported,
    word_in,
)
from shared.errors import Invalid

# How many tokens of thinking an effort stands for where a model counts them, as Google's own
# compatibility with OpenAI has it.
_BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
}
_COUNTED = ("gemini-1", "gemini-2")  # later ones have levels
_MODES: Mapping[str, str] = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
_TIERS: Mapping[str, str] = {"flex": "flex", "priority": "priority"}
# The members of generationConfig by the chat's names of them.
_SAMPLING: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
# Fields of the API itself that a client may add, passed on as they are.
_NATIVE = ("safetySettings", "cachedContent", "labels")
_CARRIED = frozenset(
    (
        *_SAMPLING,
        *_NATIVE,
        *("max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice"),
        *("response_format", "reasoning_effort", "thinkingConfig", "service_tier"),
    )
)


def content_request(chat: JsonObject, model: str) -> JsonObject:
    """The request that asks the same. Raises `Invalid` for what the protocol cannot carry.

    An image's `detail` is left to the model, and thoughts of earlier turns are not told again: what
    carries them over is the signature that came with a call (`extra_content.google`).
    """
    refuse_uncarried(chat, _CARRIED, "Google's protocol")
    system, contents = _conversation(chat["messages"])
    request: JsonObject = {"contents": contents}
    if system:
        request["systemInstruction"] = {"parts": system}
    _put_tools(request, chat)
    generation = _generation(chat, model)
    if generation:
        request["generationConfig"] = generation
    tier = word_in(chat, "service_tier")
    if tier is not None and tier in _TIERS:
        request["serviceTier"] = _TIERS[tier]
    elif tier not in (None, "auto", "default"):
        raise unsupported(f"'service_tier' must be one of {', '.join(_TIERS)}.", "service_tier")
    return request | {name: chat[name] for name in _NATIVE if name in chat}


def _conversation(given: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The system's parts, and the turns: neighbours of one role are one turn, tools answer as the user."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    called: dict[str, str] = {}
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if message["role"] in ("system", "developer"):
            system += _parts(message, where)
            continue
        role = "model" if message["role"] == "assistant" else "user"
        parts = _answered(message, called, where) or [
            *_parts(message, where),
            *_calls(message, called, where),
        ]
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})
    return system, turns


def _answered(message: JsonObject, called: Mapping[str, str], where: str) -> list[JsonObject]:
    """What a tool answered; nothing for a message that is no tool's."""
    if message["role"] != "tool":
        return []
    call_id = message.get("tool_call_id")
    name = called.get(call_id) if isinstance(call_id, str) else None
    if name is None:
        raise Invalid(f"'{where}.tool_call_id' must be the id of a call before it.")
    parts = [part for _, part in parts_of(message.get("content"), where)]
    if any(part.get("type") != "text" for part in parts):
        raise unsupported(f"'{where}' must be text: Google's protocol takes no other from a tool.")
    text = "".join(str(part.get("text", "")) for part in parts)
    return [{"functionResponse": {"id": call_id, "name": name, "response": _response(text)}}]


def _response(text: str) -> JsonObject:
    """A tool's answer, which must be an object: its own where it is one."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    return value if isinstance(value, dict) else {"output": value}


def _parts(message: JsonObject, where: str) -> list[JsonObject]:
    return [_part(part, place) for place, part in parts_of(message.get("content"), where)]


def _part(part: JsonObject, where: str) -> JsonObject:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _blob(url, where)
        case {"type": "file", "file": {"file_data": str(url)}}:
            return _blob(url, where)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(kind)}}:
            return {"inlineData": {"mimeType": f"audio/{kind}", "data": data}}
        case _:
            raise unsupported(
                f"'{where}' is of a type that Google's protocol cannot carry: "
                "expected text, image_url, input_audio or file with file_data.",
            )


def _blob(url: str, where: str) -> JsonObject:
    media = media_of(url, where)
    if media is not None:
        return {"inlineData": {"mimeType": media.media_type, "data": media.data}}
    guessed = mimetypes.guess_type(url)[0]
    return {"fileData": {"fileUri": url, **({"mimeType": guessed} if guessed else {})}}


def _calls(message: JsonObject, called: dict[str, str], where: str) -> Iterator[JsonObject]:
    for call in tool_calls_of(message, where):
        called[call.call_id] = call.name
        told = {"id": call.call_id, "name": call.name, "args": call.arguments}
        match call.given.get("extra_content"):
            case {"google": {"thought_signature": str(signature)}}:
                yield {"functionCall": told, "thoughtSignature": signature}
            case _:
                yield {"functionCall": told}


def _put_tools(request: JsonObject, chat: JsonObject) -> None:
    functions = [_declaration(function) for function in functions_of(chat)]
    if not functions:
        return
    request["tools"] = [{"functionDeclarations": functions}]
    choice = chat.get("tool_choice")
    match choice:
        case {"function": {"name": str(name)}}:
            calling = {"mode": "ANY", "allowedFunctionNames": [name]}
        case str() if choice in _MODES:
            calling = {"mode": _MODES[choice]}
        case None:
            return
        case _:
            raise unsupported("'tool_choice' must be a function, or auto, required or none.")
    request["toolConfig"] = {"functionCallingConfig": calling}


def _declaration(function: JsonObject) -> JsonObject:
    """A function as it is declared; calls always keep to its schema (`strict`)."""
    declared = {"name": function["name"]}
    if function.get("description"):
        declared["description"] = function["description"]
    if function.get("parameters"):
        declared["parametersJsonSchema"] = function["parameters"]
    return declared


def _generation(chat: JsonObject, model: str) -> JsonObject:
    config: JsonObject = {
        theirs: chat[ours] for ours, theirs in _SAMPLING.items() if chat.get(ours) is not None
    }
    if most_tokens(chat):
        config["maxOutputTokens"] = most_tokens(chat)
    if stop_sequences(chat):
        config["stopSequences"] = stop_sequences(chat)
    return config | _format(chat.get("response_format")) | _thinking(chat, model)


def _format(wanted: Any) -> JsonObject:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
        case {"type": "json_object"}:
            return {"responseMimeType": "application/json"}
        case None | {"type": "text"}:
            return {}
        case _:
            raise unsupported("'response_format' must be text, json_object or json_schema.")


def _thinking(chat: JsonObject, model: str) -> JsonObject:
    """How much to think; thoughts are told where the client spoke of them."""
    if isinstance(chat.get("thinkingConfig"), dict):
        return {"thinkingConfig": chat["thinkingConfig"]}
    effort = word_in(chat, "reasoning_effort")
    if effort is None:
        return {}
    if not model.startswith(_COUNTED):
        return {"thinkingConfig": {"thinkingLevel": str(effort), "includeThoughts": True}}
    if effort not in _BUDGETS:
        raise unsupported(f"'reasoning_effort' must be one of {', '.join(_BUDGETS)}.")
    budget = _BUDGETS[effort]
    return {"thinkingConfig": {"thinkingBudget": budget, "includeThoughts": budget > 0}}
