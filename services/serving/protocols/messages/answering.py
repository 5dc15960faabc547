"""A chat's answer as a message of Anthropic's."""

import json
from collections.abc import Mapping, Sequence

import orjson
from pydantic_core import from_json

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.protocols.passages import (
    Passage,
    PassageKind,
    Told,
    first_choice,
    whole_passages,
    word_in,
)
from shared.ids import new_id
from shared.interactions import Usage

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def message_reply(
    tree: JsonObject, usage: Usage | None, request: JsonObject, upstream: str
) -> JsonObject:
    """The message that says what a chat's first choice says. Raises `UpstreamFailed` when there is none."""
    choice = first_choice(tree)
    said = choice.get("message")
    if not isinstance(said, dict):
        raise malformed(upstream, "answered without a message")
    passages = whole_passages(said, upstream)
    called = any(told.passage.kind is PassageKind.CALL for told in passages)
    cut = word_in(choice, "finish_reason") == "length"
    blocks = [_block(told, upstream, cut=cut) for told in passages]
    return {
        **message_head(tree),
        "content": blocks,
        **stopped(choice, sequences_of(request), called=called),
        "usage": message_counts(usage or Usage()),
    }


def message_head(tree: JsonObject) -> JsonObject:
    """What every message begins with: its own id is the upstream's."""
    return {
        "id": word_in(tree, "id") or f"msg_{new_id()}",
        "type": "message",
        "role": "assistant",
        "model": word_in(tree, "model"),
    }


def stopped(choice: JsonObject, sequences: Sequence[str], *, called: bool) -> JsonObject:
    """Why the answer ended; null where the upstream did not say, and its own word where it has no other.

    OpenAI says `stop` for a call that the client forced. Which sequence was met is known only from the
    servers that say so beside (`stop_reason`, vLLM).
    """
    told, met = word_in(choice, "finish_reason"), word_in(choice, "stop_reason")
    if told == "stop" and called:
        return {"stop_reason": "tool_use", "stop_sequence": None}
    if told == "stop" and met in sequences:
        return {"stop_reason": "stop_sequence", "stop_sequence": met}
    return {"stop_reason": STOP_REASONS.get(told, told) or None, "stop_sequence": None}


def sequences_of(request: JsonObject) -> Sequence[str]:
    """The sequences that a Messages request wants to end an answer."""
    given = request.get("stop_sequences")
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def message_counts(usage: Usage) -> JsonObject:
    """Usage in Anthropic's shape, whose `input_tokens` leave out what the cache read and wrote.

    >>> message_counts(Usage(input_tokens=21, output_tokens=5, cache_read_tokens=4))["input_tokens"]
    17
    """
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    thought = usage.reasoning_tokens
    details = {"output_tokens_details": {"thinking_tokens": thought}} if thought else {}
    return {
        "input_tokens": max(0, (usage.input_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
        **details,
    }


def opened_block(passage: Passage) -> JsonObject:
    """A block before its first delta."""
    match passage.kind:
        case PassageKind.REASONING:
            return {"type": "thinking", "thinking": "", "signature": ""}
        case PassageKind.SEALED:
            return {"type": "redacted_thinking", "data": passage.sealed}
        case PassageKind.CALL:
            return {"type": "tool_use", "id": passage.call_id, "name": passage.name, "input": {}}
        case _:
            return {"type": "text", "text": "", "citations": None}


def _block(told: Told, upstream: str, *, cut: bool) -> JsonObject:
    block = opened_block(told.passage)
    match told.passage.kind:
        case PassageKind.REASONING:
            return block | {"thinking": told.text, "signature": told.signature}
        case PassageKind.SEALED:
            return block
        case PassageKind.CALL:
            return block | {"input": _input(told.text, upstream, cut=cut)}
        case _:
            return block | {"text": told.text}


def _input(arguments: str, upstream: str, *, cut: bool) -> orjson.Fragment:
    """The arguments, an object, as they were written; of an answer `cut` at its bound, as far as they came.

    Anthropic's own readers take a stream's arguments so (jiter's partial mode, which is pydantic's).
    """
    written = arguments if arguments.strip() else "{}"
    try:
        value = from_json(written, allow_inf_nan=False, allow_partial=cut)
    except ValueError as fault:
        raise malformed(upstream, "called a tool with arguments that are no JSON") from fault
    if not isinstance(value, dict):
        raise malformed(upstream, "called a tool with arguments that are no object")
    return orjson.Fragment(json.dumps(value) if cut else written)
