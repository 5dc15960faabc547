"""What is said in Anthropic's blocks, as a chat's messages."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.protocols.conversation import (
    Conversation,
    file_part,
    image_part,
    text_part,
)
from services.serving.protocols.faults import refuse_others, unsupported, wrong

_THOUGHTS = frozenset(("thinking", "redacted_thinking"))
_CARRIED = frozenset(("text", "image", "document", "tool_use", "tool_result"))
_ABOUT = ("title", "context")
# What a block may hold: of it a mark for the cache, sources that an answer cited, and by whom a tool was
# called change nothing of what is said.
_OF_A_BLOCK = frozenset(
    (
        *("type", "text", "source", "title", "context", "citations", "cache_control", "caller"),
        *("id", "name", "input", "tool_use_id", "content", "is_error"),
    )
)


def chat_messages(system: Any, messages: Sequence[Any]) -> list[JsonObject]:
    """The chat that says what a system prompt and messages say. Raises `Invalid`.

    Left out are marks of what may be cached, which change no answer, and thoughts that nobody signed:
    no model takes them back.
    """
    conversation = Conversation()
    conversation.say("system", _parts(system, "system"))
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        match message:
            case {"role": "user", "content": content}:
                _user(conversation, _blocks(content, where), where)
            case {"role": "assistant", "content": content}:
                _assistant(conversation, _blocks(content, where), where)
            case {"role": "system", "content": content}:
                conversation.say("system", _parts(content, where))
            case _:
                raise wrong(where, "a message of the role user or assistant, with its content")
    if messages and messages[-1]["role"] == "assistant":
        raise unsupported(
            "'messages' ends with the beginning of an answer, which is not gone on with"
        )
    return conversation.messages()


def _user(conversation: Conversation, blocks: Sequence[JsonObject], where: str) -> None:
    said: list[JsonObject] = []
    for place, block in enumerate(blocks):
        if block["type"] == "tool_result":
            _answer(conversation, block, f"{where}.content[{place}]")
        else:
            said += _part(block, f"{where}.content[{place}]")
    conversation.say("user", said)


def _answer(conversation: Conversation, block: JsonObject, where: str) -> None:
    parts = _parts(block.get("content"), where)
    if block.get("is_error") is True:  # a chat has no mark for it
        parts = [text_part("The call failed:"), *parts]
    conversation.answer(_text(block, "tool_use_id", where), parts)


def _assistant(conversation: Conversation, blocks: Sequence[JsonObject], where: str) -> None:
    calls = [block for block in blocks if block["type"] == "tool_use"]
    said = [block for block in blocks if block["type"] not in _THOUGHTS | {"tool_use"}]
    conversation.think([block for block in blocks if _is_given_back(block)])
    parts = [part for block in said for part in _part(block, f"{where}.content")]
    conversation.say("assistant", parts)
    for call in calls:
        given = call.get("input")
        if not isinstance(given, dict):
            raise wrong(f"{where}.content.input", "an object")
        name, call_id = (_text(call, member, where) for member in ("name", "id"))
        conversation.call(call_id, name, orjson.dumps(given).decode())


def _is_given_back(block: JsonObject) -> bool:
    match block:
        case {"type": "thinking", "thinking": str(), "signature": str(signature)}:
            return bool(signature)
        case {"type": "redacted_thinking", "data": str()}:
            return True
        case _:
            return False


def _parts(content: Any, where: str) -> list[JsonObject]:
    blocks = [] if content is None else _blocks(content, where)
    return [part for block in blocks for part in _part(block, where)]


def _blocks(content: Any, where: str) -> list[JsonObject]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise wrong(where, "a string or a list of content blocks")
    for place, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise wrong(f"{where}.content[{place}]", "an object with a 'type'")
        if block["type"] in _CARRIED:
            refuse_others(block, _OF_A_BLOCK, f"{where}.content[{place}].")
    return content


def _part(block: JsonObject, where: str) -> Iterable[JsonObject]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [text_part(text)] if text else []
        case {"type": "image", "source": dict(source)}:
            return [image_part(_url(source, where))]
        case {"type": "document", "source": dict(source)}:
            return _document(block, source, where)
        case {"type": kind}:
            raise unsupported(f"'{where}' is of the type {str(kind)[:64]!r}", param=where)
        case _:
            raise wrong(where, "a content block")


def _url(source: JsonObject, where: str) -> str:
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return f"data:{kind};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
        case _:
            raise unsupported(f"'{where}.source' is neither base64 nor a URL", param=where)


def _document(block: JsonObject, source: JsonObject, where: str) -> list[JsonObject]:
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        raise unsupported(f"'{where}.citations' has no counterpart there", param=where)
    title, context = ([text_part(block[k])] if _is_text(block.get(k)) else [] for k in _ABOUT)
    match source:
        case {"type": "text", "data": str(text)}:
            return [*title, *context, text_part(text)]
        case {"type": "content", "content": content}:
            return [*title, *context, *_parts(content, where)]
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            name = title[0]["text"] if title else "document.pdf"
            return [*context, file_part(f"data:{kind};base64,{data}", name)]
        case _:
            raise unsupported(f"'{where}.source' is not in the request itself", param=where)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _text(block: JsonObject, member: str, where: str) -> str:
    value = block.get(member)
    if not isinstance(value, str) or not value:
        raise wrong(f"{where}.{member}", "a string, and not empty")
    return value
