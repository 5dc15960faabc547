"""A blocked answer, in the words that each protocol has for an answer that is kept back.

OpenAI and Azure end a filtered completion with `finish_reason: content_filter`, Anthropic an answer that it will
not give with `stop_reason: refusal`, and Responses are `incomplete` for `content_filter`: clients know these,
retry none of them, and read the usage of what was paid for. An error would have no place for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind
from services.serving.domain.verdict import Verdict, named
from services.serving.guards.redaction import json_of
from services.serving.guards.rewriting import read_leniently
from services.serving.providers.port import Reply


def refused(kind: Kind, reply: Reply, verdicts: Sequence[Verdict]) -> Reply:
    """The answer without anything that it said."""
    sentence = f"The answer was blocked by a guardrail: {named(verdicts)}."
    account = _chat(reply.tree, sentence)
    if kind is Kind.CHAT:
        return replace(reply, body=json_of(account), tree=account)
    told = _TELLING.get(kind, _bare)(read_leniently(reply.body) or {}, sentence)
    return replace(reply, body=json_of(told), tree=account)


def _chat(tree: Mapping[str, Any], sentence: str) -> JsonObject:
    message = {"role": "assistant", "content": None, "refusal": sentence}
    return {**tree, "choices": [_choice(choice, {"message": message}) for choice in _objects(tree)]}


def _completion(tree: Mapping[str, Any], sentence: str) -> JsonObject:  # noqa: ARG001 - it has no place for one
    return {**tree, "choices": [_choice(choice, {"text": ""}) for choice in _objects(tree)]}


def _message(tree: Mapping[str, Any], sentence: str) -> JsonObject:
    content = [{"type": "text", "text": sentence}]
    return {**tree, "content": content, "stop_reason": "refusal", "stop_sequence": None}


def _response(tree: Mapping[str, Any], sentence: str) -> JsonObject:
    part = {"type": "refusal", "refusal": sentence}
    item = {
        "id": f"msg_{tree.get('id', '')}",
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [part],
    }
    return {
        **tree,
        "status": "incomplete",
        "incomplete_details": {"reason": "content_filter"},
        "output": [item],
    }


def _bare(tree: Mapping[str, Any], sentence: str) -> JsonObject:
    """Of a picture or a sound: what it is called by, what was used, and why there is none."""
    kept = {
        name: tree[name] for name in ("id", "object", "created", "model", "usage") if name in tree
    }
    return {**kept, "refusal": sentence}


def _choice(choice: Mapping[str, Any], said: JsonObject) -> JsonObject:
    kept = {"index": choice.get("index", 0), "finish_reason": "content_filter", "logprobs": None}
    return {**kept, **said}


def _objects(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = tree.get("choices")
    return (
        [choice for choice in choices if isinstance(choice, dict)]
        if isinstance(choices, list)
        else []
    )


_TELLING = {Kind.COMPLETION: _completion, Kind.MESSAGE: _message, Kind.RESPONSE: _response}
