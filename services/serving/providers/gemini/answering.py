"""What generateContent answers, or refuses with, as a chat completion's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, malformed
from services.serving.domain.usage import gemini_usage
from services.serving.providers.errors import error_body, error_tree, wait_headers
from services.serving.providers.reading import verbatim
from services.serving.providers.upstream import ErrorReply
from shared.ids import new_id
from shared.interactions import Usage

# google-genai `FinishReason`: what ended a candidate that says something.
_FINISH_REASONS: Mapping[str, str] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
# And what ended one that is no answer: the model's output could not be read.
_BROKEN = frozenset(
    (
        *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
        *("MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE", "OTHER", "IMAGE_OTHER", "NO_IMAGE"),
    )
)


def chat_reply(reply: JsonObject, provider: str, created: int) -> JsonObject:
    """The chat completion that says what a reply says.

    Raises `UpstreamFailed` for one without an answer, and `KeyError` or `TypeError` for a broken one.
    """
    candidates = reply.get("candidates") or []
    choices = [_choice(candidate, place, provider) for place, candidate in enumerate(candidates)]
    if not choices:
        choices = [blocked_choice(reply, provider, "message")]
    return {
        "id": reply.get("responseId", ""),
        "object": "chat.completion",
        "created": created,
        "model": reply.get("modelVersion", ""),
        "choices": choices,
    }


def blocked_choice(reply: JsonObject, provider: str, member: str) -> JsonObject:
    """The choice that says that the prompt was blocked. Raises `UpstreamFailed` when it was not."""
    match reply.get("promptFeedback"):
        case {"blockReason": str(reason), **more}:
            told = more.get("blockReasonMessage") or f"The prompt was blocked: {reason}."
            said = {"role": "assistant", "content": None, "refusal": str(told)}
            return {
                "index": 0,
                member: said,
                "logprobs": None,
                "finish_reason": "content_filter",
            }
        case _:
            raise malformed(provider, "answered without candidates")


def delta_of(parts: Sequence[JsonObject], first_call: int) -> JsonObject:
    """The members of a message that its parts amount to; calls are numbered from `first_call`."""
    delta: JsonObject = {}
    calls: list[JsonObject] = []
    for part in parts:
        match part:
            case {"text": str(text), "thought": True}:
                delta["reasoning_content"] = delta.get("reasoning_content", "") + text
            case {"text": str(text)}:
                delta["content"] = delta.get("content", "") + text
            case {"functionCall": dict(call)}:
                calls.append(_tool_call(call, part, first_call + len(calls)))
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}}:
                image = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
                delta.setdefault("images", []).append(image)
            case _:
                pass  # a signature by itself, or what was not asked for
    return delta | ({"tool_calls": calls} if calls else {})


def finish_reason(candidate: JsonObject, provider: str, *, called: bool) -> str | None:
    """OpenAI's word for why a candidate ended; None while it has not. Raises `UpstreamFailed` for a broken one."""
    reason = candidate.get("finishReason")
    if not isinstance(reason, str) or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    if reason in _BROKEN:
        raise UpstreamFailed(
            f"The upstream {provider!r} gave its answer up: {reason}.",
            code="upstream_error",
            upstream_status=200,
            body=error_body(str(candidate.get("finishMessage") or reason), reason),
        )
    told = _FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if called and told == "stop" else told


def usage_of(reply: JsonObject, body: bytes) -> Usage | None:
    """What a reply, or an event of a stream, says was used so far."""
    counts = reply.get("usageMetadata")
    if not isinstance(counts, dict):
        return None
    return gemini_usage(verbatim(body, ("usageMetadata",), counts), counts)


def logprobs_of(candidate: JsonObject) -> JsonObject | None:
    """The probabilities of a candidate's tokens; None when it tells none."""
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return None
    tops = result.get("topCandidates") or []
    content = [
        {**_logprob(chosen), "top_logprobs": [_logprob(each) for each in _candidates(tops, place)]}
        for place, chosen in enumerate(result.get("chosenCandidates") or [])
    ]
    return {"content": content, "refusal": None}


def chat_error(reply: ErrorReply) -> ErrorReply:
    """An error in OpenAI's format, with the time to wait that Google tells in its body.

    A key that is no key is told as a fault of the request; it is one of ours.
    """
    match error_tree(reply.body).get("error"):
        case {"status": str(status), "message": str(message), **more}:
            given = more.get("details")
            told = given if isinstance(given, list) else ()
            details = [each for each in told if isinstance(each, dict)]
            reasons = [detail.get("reason") for detail in details]
            delays = [detail["retryDelay"] for detail in details if "retryDelay" in detail]
            return replace(
                reply,
                status=401 if "API_KEY_INVALID" in reasons else reply.status,
                body=error_body(message, status),
                headers={**_waiting(delays), **reply.headers},
            )
        case _:
            return reply


def error_in(body: bytes) -> bytes:
    """The error in a reply that is none by its status, in OpenAI's format."""
    return chat_error(ErrorReply(200, body, {})).body


def _waiting(delays: Sequence[Any]) -> Mapping[str, str]:
    """A google.protobuf.Duration, like `34.074824224s`, as headers."""
    for delay in delays:
        try:
            return wait_headers(float(str(delay).removesuffix("s")))
        except (ValueError, OverflowError):
            continue
    return {}


def _choice(candidate: JsonObject, place: int, provider: str) -> JsonObject:
    delta = delta_of((candidate.get("content") or {}).get("parts") or [], 0)
    for call in delta.get("tool_calls", ()):
        del call["index"]
    reason = finish_reason(candidate, provider, called="tool_calls" in delta)
    return {
        "index": candidate.get("index", place),
        "message": {"role": "assistant", "content": None, **delta},
        "logprobs": logprobs_of(candidate),
        "finish_reason": reason,
    }


def _tool_call(call: JsonObject, part: JsonObject, index: int) -> JsonObject:
    arguments = orjson.dumps(call.get("args") or {}).decode()
    told: JsonObject = {
        "index": index,
        "id": call.get("id") or f"call_{new_id()}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }
    if isinstance(part.get("thoughtSignature"), str):
        # Google's own compatibility with OpenAI carries it there, and wants it back.
        told["extra_content"] = {"google": {"thought_signature": part["thoughtSignature"]}}
    return told


def _candidates(tops: list[Any], place: int) -> list[JsonObject]:
    return tops[place].get("candidates") or [] if place < len(tops) else []


def _logprob(candidate: JsonObject) -> JsonObject:
    token = candidate.get("token", "")
    return {
        "token": token,
        "logprob": candidate.get("logProbability", 0.0),
        "bytes": list(token.encode()),
    }
