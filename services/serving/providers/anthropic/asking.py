"""A chat completion's request as a Messages request."""

from collections.abc import Iterable
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from shared.errors import Invalid

DEFAULT_MAX_TOKENS = 4096

# Fields of the Messages API that a client may add to a chat request, passed on as they are.
_NATIVE = ("thinking", "top_k", "top_p", "output_config", "cache_control")
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def messages_request(chat: JsonObject, model: str, default_max_tokens: int) -> JsonObject:
    """The Messages request that asks the same.

    What has no counterpart and would change the answer is refused (`Invalid`, every fault at once);
    what only nudges it (seed, penalties) is left out.
    """
    _refuse_what_has_no_counterpart(chat)
    system, messages = _conversation(chat["messages"])
    request: JsonObject = {
        "model": model,
        "max_tokens": chat.get("max_completion_tokens")
        or chat.get("max_tokens")
        or default_max_tokens,
        "messages": messages,
    }
    if system:
        request["system"] = system
    if chat.get("stream"):
        request["stream"] = True
    _put_sampling(request, chat)
    _put_tools(request, chat)
    _put_format(request, chat.get("response_format"))
    return request


def _refuse_what_has_no_counterpart(chat: JsonObject) -> None:
    absent = {
        "n": chat.get("n") not in (None, 1),
        "logprobs": bool(chat.get("logprobs")),
        "logit_bias": bool(chat.get("logit_bias")),
        "audio": bool(chat.get("audio")),
    }
    faults = tuple(f"'{name}' has no counterpart there" for name, given in absent.items() if given)
    if faults:
        raise Invalid(
            f"The model is served by Anthropic's protocol: {'; '.join(faults)}.",
            faults=faults,
            code="unsupported_parameter",
        )


def _conversation(given: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The system's blocks, and the turns: neighbours of one role are one turn, tool results the user's."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for place, message in enumerate(given):
        role = message["role"]
        if role in ("system", "developer"):
            system += _blocks(message.get("content"), f"messages[{place}]")
            continue
        blocks = _turn(message, f"messages[{place}]")
        spoken = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == spoken:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": spoken, "content": blocks})
    return system, turns


def _turn(message: JsonObject, where: str) -> list[JsonObject]:
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", "")}
        return [{**result, "content": _blocks(message.get("content"), where)}]
    blocks = _blocks(message.get("content"), where)
    return [*blocks, *(_tool_use(call, where) for call in message.get("tool_calls") or ())]


def _blocks(content: Any, where: str) -> list[JsonObject]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise Invalid(f"'{where}.content' must be a string or a list of parts.")
    return [_block(part, f"{where}.content[{place}]") for place, part in enumerate(content)]


def _block(part: Any, where: str) -> JsonObject:
    match part:
        case {"type": "text", "text": str(text)}:
            block: JsonObject = {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            block = {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            block = {"type": "image", "source": _source(url, where)}
        case {"type": "file", "file": {"file_data": str(url)}}:
            block = {"type": "document", "source": _source(url, where)}
        case _:
            raise Invalid(
                f"'{where}' is of a type that Anthropic's protocol cannot carry: "
                "expected text, image_url or file with file_data.",
                code="unsupported_parameter",
            )
    if isinstance(part.get("cache_control"), dict):
        block["cache_control"] = part["cache_control"]
    return block


def _source(url: str, where: str) -> JsonObject:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, marker, data = url.removeprefix("data:").partition(";base64,")
    if not marker:
        raise Invalid(f"'{where}' must be a URL, or a data URL in base64.")
    return {"type": "base64", "media_type": kind, "data": data}


def _tool_use(call: Any, where: str) -> JsonObject:
    match call:
        case {"id": str(call_id), "function": {"name": str(name), **rest}}:
            given = rest.get("arguments") or "{}"
            return {
                "type": "tool_use",
                "id": call_id,
                "name": name,
                "input": _arguments(given, where),
            }
        case _:
            raise Invalid(f"'{where}.tool_calls' must hold functions with an id and a name.")


def _arguments(text: Any, where: str) -> JsonObject:
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError) as fault:
        raise Invalid(f"'{where}.tool_calls' must carry their arguments as JSON.") from fault
    if not isinstance(value, dict):
        raise Invalid(f"'{where}.tool_calls' must carry their arguments as a JSON object.")
    return value


def _put_sampling(request: JsonObject, chat: JsonObject) -> None:
    if isinstance(chat.get("temperature"), int | float):
        # OpenAI's range is 0 to 2, Anthropic's 0 to 1.
        request["temperature"] = min(chat["temperature"], 1)
    stop = chat.get("stop")
    if stop:
        request["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if isinstance(chat.get("user"), str):
        request["metadata"] = {"user_id": chat["user"]}
    request |= {name: chat[name] for name in _NATIVE if name in chat}


def _put_tools(request: JsonObject, chat: JsonObject) -> None:
    if chat.get("tools"):
        request["tools"] = list(_tools(chat["tools"]))
    choice = chat.get("tool_choice")
    match choice:
        case {"function": {"name": str(name)}}:
            request["tool_choice"] = {"type": "tool", "name": name}
        case str() if choice in _TOOL_CHOICES:
            request["tool_choice"] = {"type": _TOOL_CHOICES[choice]}
        case _:
            pass  # the protocol's own default is OpenAI's: auto
    if chat.get("tools") and chat.get("parallel_tool_calls") is False:
        chosen = request.setdefault("tool_choice", {"type": "auto"})
        if chosen["type"] != "none":
            chosen["disable_parallel_tool_use"] = True


def _tools(tools: Any) -> Iterable[JsonObject]:
    for place, tool in enumerate(tools if isinstance(tools, list) else [tools]):
        match tool:
            case {"type": "function", "function": {"name": str(name), **rest}}:
                yield {
                    "name": name,
                    "input_schema": rest.get("parameters") or {"type": "object"},
                    **{key: rest[key] for key in ("description", "strict") if rest.get(key)},
                }
            case _:
                raise Invalid(
                    f"'tools[{place}]' must be a function with a name.",
                    code="unsupported_parameter",
                )


def _put_format(request: JsonObject, wanted: Any) -> None:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            format_ = {"type": "json_schema", "schema": schema}
            request["output_config"] = {**request.get("output_config", {}), "format": format_}
        case {"type": "json_object"}:
            raise Invalid(
                "'response_format' json_object has no counterpart in Anthropic's protocol: "
                "name the schema with json_schema.",
                code="unsupported_parameter",
            )
        case _:
            pass  # text is what it answers anyway
