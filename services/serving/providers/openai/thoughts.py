"""Answers whose content is a list of chunks, thoughts among them, as Mistral's reasoning models give them.

Clients of OpenAI's protocol read a text there: the thoughts become `reasoning_content`. Shapes as in
mistralai 3.7 (`ThinkChunk`, `DeltaMessage`).
"""

from collections.abc import Sequence
from typing import Any

from services.serving.domain.body import JsonObject


def in_plain_texts(tree: JsonObject) -> JsonObject | None:
    """The reply or chunk with texts in place of lists; None when it has none of them.

    >>> thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    >>> in_plain_texts({"choices": [{"delta": {"content": [thought]}}]})
    {'choices': [{'delta': {'content': None, 'reasoning_content': 'Hm.'}}]}
    """
    choices = tree.get("choices")
    if not isinstance(choices, list) or not any(map(_member, choices)):
        return None
    return {**tree, "choices": [_plain(choice) for choice in choices]}


def _member(choice: Any) -> str:
    """The member of a choice whose content is a list; empty for none."""
    if not isinstance(choice, dict):
        return ""
    named = (name for name in ("delta", "message") if isinstance(choice.get(name), dict))
    return next((name for name in named if isinstance(choice[name].get("content"), list)), "")


def _plain(choice: Any) -> Any:
    member = _member(choice)
    if not member:
        return choice
    chunks = [chunk for chunk in choice[member]["content"] if isinstance(chunk, dict)]
    thoughts = [
        text
        for chunk in chunks
        if chunk.get("type") == "thinking" and isinstance(chunk.get("thinking"), list)
        for text in _texts(chunk["thinking"])
    ]
    texts = _texts([chunk for chunk in chunks if chunk.get("type") == "text"])
    said = {**choice[member], "content": "".join(texts) if texts else None}
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)
    return {**choice, member: said}


def _texts(chunks: Sequence[Any]) -> list[str]:
    found = (chunk.get("text") for chunk in chunks if isinstance(chunk, dict))
    return [text for text in found if isinstance(text, str)]
