"""What is said in the items of Responses, as a chat's messages."""

from collections.abc import Iterable
from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.protocols.conversation import (
    Conversation,
    file_part,
    image_part,
    text_part,
)
from services.serving.protocols.faults import refuse_others, unsupported, wrong

# What an item and its parts may hold: of it ids, states, and what an answer was given beside its text
# change nothing of what is said.
_OF_AN_ITEM = frozenset(
    (
        *("type", "role", "content", "call_id", "name", "arguments", "output"),
        *("id", "status", "phase", "caller", "parsed_arguments"),
    )
)
_OF_A_PART = frozenset(
    (
        *("type", "text", "refusal", "image_url", "detail", "file_data", "filename", "file_id"),
        *(
            "file_url",
            "input_audio",
            "annotations",
            "logprobs",
            "prompt_cache_breakpoint",
            "parsed",
        ),
    )
)
_ROLES = frozenset(("user", "assistant", "system", "developer"))


def chat_messages(instructions: Any, given: Any) -> list[JsonObject]:
    """The chat that says what instructions and input say. Raises `Invalid`.

    Reasoning of earlier turns is passed over: it can be read again only by the model that it is of.
    A developer speaks as the system does, which is what OpenAI reads and every server knows.
    """
    conversation = Conversation()
    if not isinstance(instructions, str | None):
        raise wrong("instructions", "a string")
    if instructions:
        conversation.say("system", [text_part(instructions)])
    if isinstance(given, str):
        conversation.say("user", [text_part(given)])
    else:
        for place, item in enumerate(given):
            _add(conversation, item, f"input[{place}]")
    return conversation.messages()


def _add(conversation: Conversation, item: Any, where: str) -> None:
    if item.get("type", "message") in ("message", "function_call", "function_call_output"):
        refuse_others(item, _OF_AN_ITEM, f"{where}.")
    match item:
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), **rest}:
            arguments = rest.get("arguments")
            if not isinstance(arguments, str):
                raise wrong(f"{where}.arguments", "a JSON text")
            conversation.call(call_id, name, arguments)
        case {"type": "function_call_output", "call_id": str(call_id), "output": output}:
            conversation.answer(call_id, list(_parts(output, where)))
        case {"type": "reasoning"}:
            pass
        case {"type": "function_call" | "function_call_output"}:
            raise wrong(
                where, "a call with call_id, name and arguments, or an output with its call_id"
            )
        case {"role": str(role), "content": content} if item.get("type", "message") == "message":
            if role not in _ROLES:
                raise wrong(f"{where}.role", "user, assistant, system or developer")
            spoken = "system" if role == "developer" else role
            conversation.say(spoken, list(_parts(content, where)))
        case {"type": str(kind)} if kind != "message":
            raise unsupported(f"'{where}' is of the type {kind[:64]!r}", param=where)
        case _:
            raise wrong(where, "a message with role and content, or an item with a type")


def _parts(content: Any, where: str) -> Iterable[JsonObject]:
    if isinstance(content, str):
        return [text_part(content)] if content else []
    if not isinstance(content, list):
        raise wrong(where, "said in a string or a list of parts")
    return [_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]


def _part(part: Any, where: str) -> JsonObject:
    if isinstance(part, dict):
        refuse_others(part, _OF_A_PART, f"{where}.")
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)}:
            return text_part(text)
        case {"type": "refusal", "refusal": str(text)}:
            return text_part(text)
        case {"type": "input_image", "image_url": str(url)}:
            detail = part.get("detail")
            return image_part(url, detail if isinstance(detail, str) else None)
        case {"type": "input_file", "file_data": str(data)}:
            name = part.get("filename")
            return file_part(data, name if isinstance(name, str) else "file")
        case {"type": "input_image" | "input_file"}:
            raise unsupported(f"'{where}' is not in the request itself", param=where)
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
        case {"type": kind} if kind not in ("input_text", "output_text", "refusal"):
            raise unsupported(f"'{where}' is of the type {str(kind)[:64]!r}", param=where)
        case _:
            raise wrong(where, "a part with a type and its content")
