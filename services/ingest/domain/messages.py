"""Messages in the shapes that providers use, and the text that people read in them."""

from collections.abc import Mapping, Sequence

TEXT_PARTS = frozenset({"text", "input_text", "output_text"})

Message = Mapping[str, object]


def messages_of(value: object, role: str) -> list[Message] | None:
    """A string, or a list of messages and strings, as messages; None when it is neither.

    >>> messages_of("Hi", "user")
    [{'role': 'user', 'content': 'Hi'}]
    """
    items = value if isinstance(value, list) else [value]
    messages = [_message(item, role) for item in items]
    known = [message for message in messages if message is not None]
    return known if len(known) == len(items) else None


def text_of(message: Message) -> str:
    """The text of a message, whether it stands in `content` or in typed parts."""
    body = message.get("content")
    if body is None:
        body = message.get("parts")
    if isinstance(body, str):
        return body
    parts = body if isinstance(body, list) else ()
    return "\n".join(text for text in map(_part_text, parts) if text)


def question(messages: Sequence[Message]) -> str:
    """The last thing the user said."""
    asked = (text_of(message) for message in reversed(messages) if message.get("role") == "user")
    return next((text for text in asked if text), "")


def answer(messages: Sequence[Message]) -> str:
    """The text of every answer; messages without text, such as tool calls, add nothing."""
    return "\n".join(text for text in map(text_of, messages) if text)


def _message(item: object, role: str) -> Message | None:
    if isinstance(item, str):
        return {"role": role, "content": item}
    if not isinstance(item, dict):
        return None
    # The items of the Responses API that are no messages have a type in the place of a role.
    named = isinstance(item.get("role"), str) or isinstance(item.get("type"), str)
    return item if named else None


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS:
        return ""
    text = part.get("text", part.get("content"))
    return text if isinstance(text, str) else ""
