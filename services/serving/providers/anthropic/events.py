"""A Messages stream as a chat completion's chunks, event by event."""

from collections.abc import Iterator
from typing import Any

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.sse import data_event
from services.serving.domain.usage import anthropic_usage, chat_counts
from services.serving.providers.anthropic.answering import finish_reason
from shared.interactions import Usage


class ChunkTranslator:
    """Folds the events of one message; `ended` once the message has stopped.

    The counts of `message_delta` are cumulative and overwrite those of `message_start`, whose
    `output_tokens` is a placeholder.
    """

    def __init__(self, created: int) -> None:
        self.ended = False
        self._created = created
        self._id = ""
        self._model = ""
        self._counts: JsonObject = {}
        self._counted = False
        self._tools: dict[int, int] = {}  # block index -> index among the tool calls

    def translate(self, event: JsonObject) -> Iterator[Event]:
        """The chunks that an event amounts to. Raises `KeyError` or `TypeError` for a broken event."""
        match event.get("type"):
            case "message_start":
                yield self._started(event["message"])
            case "content_block_start":
                yield from self._block_started(event["index"], event["content_block"])
            case "content_block_delta":
                yield from self._block_grew(event["index"], event["delta"])
            case "message_delta":
                yield self._stopping(event)
            case "message_stop":
                self.ended = True
                counts = chat_counts(self._usage())
                yield self._event({"choices": [], "usage": counts}, self._usage())
            case _:
                pass  # a ping, the end of a block, or an event newer than this file

    def _started(self, message: JsonObject) -> Event:
        self._id, self._model = str(message.get("id", "")), str(message.get("model", ""))
        self._counts = dict(message["usage"])
        return self._chunk({"role": "assistant", "content": ""}, usage=self._usage())

    def _block_started(self, index: int, block: JsonObject) -> Iterator[Event]:
        if block["type"] == "tool_use":
            place = self._tools[index] = len(self._tools)
            function = {"name": block["name"], "arguments": ""}
            call = {"index": place, "id": block["id"], "type": "function", "function": function}
            yield self._chunk({"tool_calls": [call]})
        elif block["type"] == "text" and block.get("text"):
            yield self._chunk({"content": block["text"]})

    def _block_grew(self, index: int, delta: JsonObject) -> Iterator[Event]:
        match delta["type"]:
            case "text_delta":
                yield self._chunk({"content": delta["text"]})
            case "thinking_delta":
                yield self._chunk({"reasoning_content": delta["thinking"]})
            case "input_json_delta" if index in self._tools:
                function = {"arguments": delta["partial_json"]}
                call = {"index": self._tools[index], "function": function}
                yield self._chunk({"tool_calls": [call]})
            case _:
                pass  # signatures and citations have no place in a chunk

    def _stopping(self, event: JsonObject) -> Event:
        told = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        self._counts |= told
        self._counted = self._counted or "output_tokens" in told
        reason = finish_reason(event["delta"].get("stop_reason"))
        return self._chunk({}, finish=reason, usage=self._usage())

    def _usage(self) -> Usage:
        raw = orjson.dumps(self._counts).decode()
        return anthropic_usage(raw, self._counts, ended=self._counted)

    def _chunk(
        self, delta: JsonObject, *, finish: str | None = None, usage: Usage | None = None
    ) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event({"choices": [choice]}, usage)

    def _event(self, members: dict[str, Any], usage: Usage | None) -> Event:
        tree = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            **members,
        }
        return Event(data_event(orjson.dumps(tree)), tree, usage)
