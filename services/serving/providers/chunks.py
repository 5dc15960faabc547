"""The chunks of a chat completion that say what an upstream streams in a protocol of its own."""

from typing import Any

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.sse import DONE, data_event
from services.serving.domain.usage import chat_counts
from shared.interactions import Usage


class Chunks:
    """Makes the chunks of one answer; `name` it before the first."""

    def __init__(self, created: int) -> None:
        self._head: JsonObject = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": created,
            "model": "",
        }

    def name(self, answer_id: Any, model: Any) -> None:
        """Say what the answer is called, and which model gives it."""
        self._head |= {"id": str(answer_id or ""), "model": str(model or "")}

    def said(
        self,
        delta: JsonObject,
        *,
        finish: str | None = None,
        usage: Usage | None = None,
    ) -> Event:
        """A piece of the only choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.chunk([choice], usage)

    def chunk(self, choices: list[JsonObject], usage: Usage | None) -> Event:
        """Pieces of several choices. Without any the client is sent nothing: it would mean the usage."""
        tree = {**self._head, "choices": choices}
        return Event(data_event(orjson.dumps(tree)), tree, usage, hidden=not choices)

    def ending(self, usage: Usage | None, *, told: bool) -> list[Event]:
        """What ends the answer: the chunk of its usage, if there is one, hidden unless it is `told`; and the end."""
        end = Event(DONE, final=True)
        if usage is None:
            return [end]
        tree = {**self._head, "choices": [], "usage": chat_counts(usage)}
        return [Event(data_event(orjson.dumps(tree)), tree, usage, hidden=not told), end]
