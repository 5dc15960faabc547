"""A chat's answer as a response of OpenAI's."""

from collections.abc import Mapping

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.protocols.passages import (
    Passage,
    PassageKind,
    first_choice,
    number_in,
    whole_passages,
    word_in,
)
from shared.ids import new_id
from shared.interactions import Usage

COMPLETED = frozenset(("stop", "tool_calls", "function_call"))
INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}

# What a response repeats of its request, and what it says where the request does not.
_ECHOED: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_PREFIXES: Mapping[PassageKind, str] = {
    PassageKind.REASONING: "rs",
    PassageKind.SEALED: "rs",
    PassageKind.CALL: "fc",
}


def response_reply(
    tree: JsonObject, usage: Usage | None, request: JsonObject, upstream: str
) -> JsonObject:
    """The response that says what a chat's first choice says. Raises `UpstreamFailed` when there is none."""
    choice = first_choice(tree)
    said = choice.get("message")
    if not isinstance(said, dict):
        raise malformed(upstream, "answered without a message")
    head = response_head(tree, request)
    reason = word_in(choice, "finish_reason")
    passages = whole_passages(said, upstream)
    last = len(passages) - 1
    items = [
        whole_item(
            told.passage,
            told.text,
            head["id"],
            "completed" if place < last else status_after(reason),
        )
        for place, told in enumerate(passages)
    ]
    return ended(head, items, reason, usage)


def response_head(chunk: JsonObject, request: JsonObject) -> JsonObject:
    """A response that is in progress. It is not stored, whatever was wished: `store` says so."""
    stem = word_in(chunk, "id").removeprefix("chatcmpl-") or new_id()
    echoed = {name: request.get(name) for name in _ECHOED if request.get(name) is not None}
    return {
        "id": f"resp_{stem}",
        "object": "response",
        "created_at": number_in(chunk, "created"),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": word_in(chunk, "model"),
        "output": [],
        "previous_response_id": None,
        "service_tier": word_in(chunk, "service_tier") or request.get("service_tier"),
        "store": False,
        "usage": None,
        **_ECHOED,
        **echoed,
    }


def ended(
    head: JsonObject, items: list[JsonObject], finish_reason: str, usage: Usage | None
) -> JsonObject:
    """The whole response. One whose end the upstream gave no known reason for is not complete."""
    status = status_after(finish_reason)
    details = {"reason": INCOMPLETE.get(finish_reason)} if status == "incomplete" else None
    return head | {
        "status": status,
        "incomplete_details": details,
        "output": items,
        "usage": None if usage is None else response_counts(usage),
    }


def status_after(finish_reason: str) -> str:
    """Whether an answer that ended so is whole; the reason is empty where none was told."""
    return "completed" if finish_reason in COMPLETED else "incomplete"


def opened_item(passage: Passage, response_id: str) -> JsonObject:
    """An item before anything of it was said. Its id is made of the response's and its place."""
    return _item(passage, response_id, "in_progress", None)


def whole_item(passage: Passage, text: str, response_id: str, status: str) -> JsonObject:
    """An item with all that was said."""
    return _item(passage, response_id, status, text)


def part_of(passage: Passage, text: str) -> JsonObject:
    """The one part that an item's text is."""
    match passage.kind:
        case PassageKind.REASONING:
            return {"type": "summary_text", "text": text}
        case PassageKind.REFUSAL:
            return {"type": "refusal", "refusal": text}
        case _:
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def response_counts(usage: Usage) -> JsonObject:
    """Usage in the shape of Responses."""
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": read + written,
    }


def _item(passage: Passage, response_id: str, status: str, text: str | None) -> JsonObject:
    prefix = _PREFIXES.get(passage.kind, "msg")
    head = {
        "id": f"{prefix}_{response_id.removeprefix('resp_')}_{passage.place}",
        "status": status,
    }
    parts = [] if text is None else [part_of(passage, text)]
    match passage.kind:
        case PassageKind.REASONING:
            return {**head, "type": "reasoning", "summary": parts}
        case PassageKind.SEALED:
            return {**head, "type": "reasoning", "summary": [], "encrypted_content": passage.sealed}
        case PassageKind.CALL:
            return {
                **head,
                "type": "function_call",
                "call_id": passage.call_id,
                "name": passage.name,
                "arguments": text or "",
            }
        case _:
            return {**head, "type": "message", "role": "assistant", "content": parts}
