"""A Messages reply, or its refusal, as a chat completion's."""

from collections.abc import Mapping
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.usage import chat_counts
from shared.interactions import Usage

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def chat_reply(message: JsonObject, usage: Usage, created: int) -> JsonObject:
    """The chat completion that says what a message says."""
    choice = {
        "index": 0,
        "message": _chat_message(message["content"]),
        "logprobs": None,
        "finish_reason": finish_reason(message.get("stop_reason")),
    }
    return {
        "id": message.get("id", ""),
        "object": "chat.completion",
        "created": created,
        "model": message.get("model", ""),
        "choices": [choice],
        "usage": chat_counts(usage),
    }


def finish_reason(stop_reason: Any) -> str | None:
    """OpenAI's word for why an answer ended; None when it is not told."""
    return FINISH_REASONS.get(stop_reason, "stop") if isinstance(stop_reason, str) else None


def chat_error(body: bytes) -> bytes:
    """An error in OpenAI's format; empty when the body is no error of Anthropic's."""
    try:
        match orjson.loads(body):
            case {"error": {"type": str(kind), "message": str(message)}}:
                error = {"message": message, "type": kind, "param": None, "code": kind}
                return orjson.dumps({"error": error})
            case _:
                return b""
    except orjson.JSONDecodeError:
        return b""


def _chat_message(blocks: list[Any]) -> JsonObject:
    texts = [b["text"] for b in blocks if b.get("type") == "text"]
    thoughts = [b for b in blocks if b.get("type") in ("thinking", "redacted_thinking")]
    calls = [_tool_call(b) for b in blocks if b.get("type") == "tool_use"]
    message: JsonObject = {"role": "assistant", "content": "".join(texts) if texts else None}
    if thoughts:
        message["reasoning_content"] = "".join(b.get("thinking", "") for b in thoughts)
        message["thinking_blocks"] = thoughts  # as they must come back
    if calls:
        message["tool_calls"] = calls
    return message


def _tool_call(block: JsonObject) -> JsonObject:
    arguments = orjson.dumps(block["input"]).decode()
    function = {"name": block["name"], "arguments": arguments}
    return {"id": block["id"], "type": "function", "function": function}
