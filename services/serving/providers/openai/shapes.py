"""Replies of OpenAI's other protocols in the shape of a chat's, for the account alone."""

from collections.abc import Mapping
from typing import Any

import orjson

from services.serving.domain.body import JsonObject

_INCOMPLETE: Mapping[str, str] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


def chat_of_completion(tree: JsonObject, member: str) -> JsonObject:
    """A legacy completion, or its chunk: `member` is what a chat calls what was said (`message`, `delta`)."""
    choices = tree.get("choices")
    return {
        **tree,
        "choices": [
            {
                "index": choice.get("index", place),
                member: {"role": "assistant", "content": choice.get("text")},
                "finish_reason": choice.get("finish_reason"),
            }
            for place, choice in enumerate(choices if isinstance(choices, list) else ())
            if isinstance(choice, dict)
        ],
    }


def chat_of_response(response: JsonObject) -> JsonObject:
    """A whole response, its items in one message."""
    texts: list[str] = []
    message: JsonObject = {"role": "assistant", "content": None}
    for item in response["output"]:
        match item:
            case {"type": "message", "content": list(parts)}:
                texts += [part["text"] for part in parts if part.get("type") == "output_text"]
                refusals = [part["refusal"] for part in parts if part.get("type") == "refusal"]
                if refusals:
                    message["refusal"] = "".join(refusals)
            case {"type": "function_call" | "custom_tool_call"}:
                message.setdefault("tool_calls", []).append(_tool_call(item))
            case {"type": "reasoning", "summary": list(summary)}:
                thoughts = "".join(part.get("text", "") for part in summary)
                message["reasoning_content"] = message.get("reasoning_content", "") + thoughts
            case _:
                pass  # the items of tools that the provider itself runs
    if texts:
        message["content"] = "".join(texts)
    reason = finish_reason(response, called="tool_calls" in message)
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_head(response), "choices": [choice]}


def finish_reason(response: JsonObject, *, called: bool) -> str | None:
    """A chat's word for how a response ended; None while it has not, as one in the background."""
    match response.get("status"):
        case "completed":
            return "tool_calls" if called else "stop"
        case "incomplete":
            details = response.get("incomplete_details") or {}
            return _INCOMPLETE.get(str(details.get("reason")), "length")
        case _:
            return None


def chunk_of_response(delta: JsonObject) -> JsonObject:
    """A chunk of a chat that says a piece of a response."""
    return {"choices": [{"index": 0, "delta": delta}]}


def head_of_response(response: JsonObject) -> JsonObject:
    """A chunk of a chat that says which response begins."""
    return {**_head(response), "choices": []}


def failure_of_response(response: JsonObject) -> bytes:
    """Why a response failed, as an error of OpenAI's; empty when it did not."""
    error = response.get("error")
    if response.get("status") not in ("failed", "cancelled") and not error:
        return b""
    told: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code = told.get("code") or response.get("status")
    message = told.get("message") or "The response failed."
    return orjson.dumps(
        {"error": {"message": message, "type": "server_error", "param": None, "code": code}}
    )


def _head(response: JsonObject) -> JsonObject:
    return {"id": response.get("id", ""), "model": response.get("model", "")}


def _tool_call(item: JsonObject) -> JsonObject:
    arguments = item.get("arguments", item.get("input", ""))
    function = {"name": item.get("name", ""), "arguments": arguments}
    return {"id": item.get("call_id", ""), "type": "function", "function": function}
