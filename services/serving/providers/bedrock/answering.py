"""What Converse answers, or refuses with, as a chat completion's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.usage import chat_counts, converse_usage
from services.serving.providers.errors import error_body, error_tree
from services.serving.providers.reading import verbatim
from services.serving.providers.upstream import ErrorReply
from shared.interactions import Usage

_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
# What the model said could not be read: no answer.
_BROKEN = frozenset(("malformed_model_output", "malformed_tool_use"))


def chat_reply(reply: JsonObject, usage: Usage, provider: str, head: JsonObject) -> JsonObject:
    """The chat completion that says what a reply says; `head` names it, which Converse does not.

    Raises `UpstreamFailed` for one without an answer, and `KeyError` or `TypeError` for a broken one.
    """
    choice = {
        "index": 0,
        "message": _message(reply["output"]["message"]["content"]),
        "logprobs": None,
        "finish_reason": finish_reason(reply["stopReason"], provider),
    }
    return {
        **head,
        "object": "chat.completion",
        "choices": [choice],
        "usage": chat_counts(usage),
    }


def finish_reason(reason: Any, provider: str) -> str:
    """OpenAI's word for why an answer ended. Raises `UpstreamFailed` for one that is none."""
    if reason in _BROKEN:
        raise UpstreamFailed(
            f"The upstream {provider!r} gave its answer up: {reason}.",
            code="upstream_error",
            upstream_status=200,
            body=error_body(f"The model's answer could not be read: {reason}.", str(reason)),
        )
    return _FINISH_REASONS.get(str(reason), "stop")


def usage_of(holder: JsonObject, body: bytes, model: str) -> Usage:
    """The usage in a reply, or in the last event of a stream. Raises `KeyError` when there is none."""
    counts = holder["usage"]
    if not isinstance(counts, dict):
        raise TypeError("the usage is no object")
    tier = holder.get("serviceTier")
    served = str(tier.get("type", "")) if isinstance(tier, dict) else ""
    return converse_usage(verbatim(body, ("usage",), counts), counts, model, served)


def thinking_block(reasoning: JsonObject) -> JsonObject:
    """A thought as it must come back: with its signature, or sealed."""
    if "redactedContent" in reasoning:
        return {"type": "redacted_thinking", "data": reasoning["redactedContent"]}
    told = reasoning["reasoningText"]
    return {
        "type": "thinking",
        "thinking": told["text"],
        "signature": told.get("signature", ""),
    }


def chat_error(reply: ErrorReply) -> ErrorReply:
    """An error in OpenAI's format, named as the header `x-amzn-errortype` names it."""
    tree = error_tree(reply.body)
    message = tree.get("message") or tree.get("Message")
    named = reply.headers.get("x-amzn-errortype") or str(tree.get("__type") or "")
    kind = named.partition(":")[0].rpartition("#")[2]
    if not kind and not message:
        return reply
    return replace(reply, body=error_body(str(message or kind), kind or "upstream_error"))


def _message(blocks: list[Any]) -> JsonObject:
    texts = [block["text"] for block in blocks if "text" in block]
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    message: JsonObject = {"role": "assistant", "content": "".join(texts) if texts else None}
    if thoughts:
        kept = [thinking_block(thought) for thought in thoughts]
        message["reasoning_content"] = "".join(block.get("thinking", "") for block in kept)
        message["thinking_blocks"] = kept
    calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    return message | ({"tool_calls": calls} if calls else {})


def _tool_call(use: JsonObject) -> JsonObject:
    function = {"name": use["name"], "arguments": orjson.dumps(use["input"]).decode()}
    return {"id": use["toolUseId"], "type": "function", "function": function}
