"""A Messages stream: read for the account as a chat completion's chunks, and told as such or as it came."""

from collections.abc import Iterator

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import errored
from services.serving.domain.usage import anthropic_usage
from services.serving.providers.anthropic.answering import chat_error, finish_reason
from services.serving.providers.chunks import Chunks
from services.serving.providers.credentials import Credentials
from services.serving.providers.reading import cut_off, read_json, whole_shapes
from shared.interactions import Usage


class ChunkTranslator:
    """Folds the events of one message; `ended` once the message has stopped.

    The counts of `message_delta` are cumulative and overwrite those of `message_start`, whose
    `output_tokens` is a placeholder.
    """

    def __init__(self, created: int, *, tells_usage: bool = True) -> None:
        self.ended = False
        self._chunks = Chunks(created)
        self._tells_usage = tells_usage
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
                yield from self._chunks.ending(self._usage(), told=self._tells_usage)
            case _:
                pass  # a ping, the end of a block, or an event newer than this file

    def _started(self, message: JsonObject) -> Event:
        self._chunks.name(message.get("id"), message.get("model"))
        self._counts = dict(message["usage"])
        return self._chunks.said({"role": "assistant", "content": ""}, usage=self._usage())

    def _block_started(self, index: int, block: JsonObject) -> Iterator[Event]:
        match block["type"]:
            case "tool_use":
                place = self._tools[index] = len(self._tools)
                function = {"name": block["name"], "arguments": ""}
                call = {"index": place, "id": block["id"], "type": "function", "function": function}
                yield self._chunks.said({"tool_calls": [call]})
            case "text" if block.get("text"):
                yield self._chunks.said({"content": block["text"]})
            case "redacted_thinking":
                sealed = {"type": "redacted_thinking", "data": block["data"]}
                yield self._chunks.said({"thinking_blocks": [sealed]})
            case _:
                pass  # empty, or what only a client of the protocol itself can read

    def _block_grew(self, index: int, delta: JsonObject) -> Iterator[Event]:
        match delta["type"]:
            case "text_delta":
                yield self._chunks.said({"content": delta["text"]})
            case "thinking_delta":
                yield self._chunks.said({"reasoning_content": delta["thinking"]})
            case "signature_delta":
                signed = {"type": "thinking", "thinking": "", "signature": delta["signature"]}
                yield self._chunks.said({"thinking_blocks": [signed]})
            case "input_json_delta" if index in self._tools:
                function = {"arguments": delta["partial_json"]}
                call = {"index": self._tools[index], "function": function}
                yield self._chunks.said({"tool_calls": [call]})
            case _:
                pass  # citations have no place in a chunk

    def _stopping(self, event: JsonObject) -> Event:
        told = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        self._counts |= told
        self._counted = self._counted or "output_tokens" in told
        reason = finish_reason(event["delta"].get("stop_reason"))
        return self._chunks.said({}, finish=reason, usage=self._usage())

    def _usage(self) -> Usage:
        raw = orjson.dumps(self._counts).decode()
        return anthropic_usage(raw, self._counts, ended=self._counted)


class MessageReader:
    """Reads the events of one message, and tells them as chunks or (`native`) as they came; satisfies `EventReader`."""

    def __init__(
        self,
        provider: str,
        credentials: Credentials,
        translator: ChunkTranslator,
        *,
        native: bool,
    ) -> None:
        self._provider = provider
        self._credentials = credentials
        self._translator = translator
        self._native = native

    @property
    def ended(self) -> bool:
        return self._translator.ended

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        if data is None:
            events.append(Event(raw))
            return
        tree = read_json(data, self._provider)
        if tree.get("type") == "error" or tree.get("error"):  # proxies tell it as OpenAI does
            body = self._credentials.hidden_in(data)
            told = body if self._native else chat_error(body)
            raise errored(self._provider, "ended a stream with an error", told)
        with whole_shapes(self._provider):
            chunks = list(self._translator.translate(tree))
        events += [_as_it_came(raw, chunks, final=self.ended)] if self._native else chunks

    def close(self, events: list[Event]) -> None:  # noqa: ARG002 - only message_stop ends it
        raise cut_off(self._provider)


def _as_it_came(raw: bytes, chunks: list[Event], *, final: bool) -> Event:
    """The event itself, with what the first of its chunks says: beside it there is at most the end."""
    if not chunks:
        return Event(raw)
    return Event(raw, chunks[0].tree, chunks[0].usage, final=final)
