"""A chat's messages, put together from what other protocols say in blocks and items."""

from collections.abc import Sequence

from services.serving.domain.body import JsonObject


class Conversation:
    """Messages in the order that a chat wants: what tools answered directly behind their calls.

    A tool's message holds text alone. What else a tool answered (an image, a file) is said by the user
    once all of the tools have answered, under the id of its call.
    """

    def __init__(self) -> None:
        self._messages: list[JsonObject] = []
        self._beside: list[JsonObject] = []

    def say(self, role: str, parts: Sequence[JsonObject]) -> None:
        """Somebody says something; a user says it together with what tools have answered beside text."""
        if role == "user":
            parts, self._beside = [*self._beside, *parts], []
        self._pass_on_beside()
        if parts and role == "assistant" and self._thinking():
            self._messages[-1]["content"] = content_of(parts)
        elif parts:
            self._messages.append({"role": role, "content": content_of(parts)})

    def think(self, thoughts: Sequence[JsonObject]) -> None:
        """The assistant thought before what it says: as it must be given back to its model."""
        if thoughts:
            self._pass_on_beside()
            self._messages.append(
                {"role": "assistant", "content": None, "thinking_blocks": list(thoughts)}
            )

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """The assistant calls a tool, in its last message if nobody has spoken since."""
        self._pass_on_beside()
        if not self._messages or self._messages[-1]["role"] != "assistant":
            self._messages.append({"role": "assistant", "content": None})
        function = {"name": name, "arguments": arguments}
        call = {"id": call_id, "type": "function", "function": function}
        self._messages[-1].setdefault("tool_calls", []).append(call)

    def answer(self, call_id: str, parts: Sequence[JsonObject]) -> None:
        """A tool answers."""
        texts = [part for part in parts if part["type"] == "text"]
        others = [part for part in parts if part["type"] != "text"]
        content = content_of(texts) if texts else ""
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
        if others:
            self._beside += [text_part(f"From the tool's answer to {call_id}:"), *others]

    def messages(self) -> list[JsonObject]:
        """All that was said."""
        self._pass_on_beside()
        return self._messages

    def _thinking(self) -> bool:
        """Whether the last that was said is a thought, and nothing more."""
        last = self._messages[-1] if self._messages else {}
        return last.keys() == _A_THOUGHT and last["content"] is None

    def _pass_on_beside(self) -> None:
        if self._beside:
            parts, self._beside = self._beside, []
            self._messages.append({"role": "user", "content": content_of(parts)})


_A_THOUGHT = {"role", "content", "thinking_blocks"}


def content_of(parts: Sequence[JsonObject]) -> str | list[JsonObject]:
    """The content of a message: texts alone are one text, which every server takes from everybody.

    >>> content_of([text_part("a"), text_part("b")]) == "a\\n\\nb"
    True
    """
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return list(parts)


def text_part(text: str) -> JsonObject:
    """A part of a message that is text."""
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> JsonObject:
    """A part of a message that is an image, by its URL."""
    shown = {"url": url, "detail": detail} if detail else {"url": url}
    return {"type": "image_url", "image_url": shown}


def file_part(data_url: str, name: str) -> JsonObject:
    """A part of a message that is a file, as a data URL."""
    return {"type": "file", "file": {"filename": name, "file_data": data_url}}
