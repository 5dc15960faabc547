"""A ConverseStream as a chat completion's chunks, message by message."""

from typing import Any, NoReturn

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import errored, malformed
from services.serving.providers.bedrock.answering import finish_reason, usage_of
from services.serving.providers.bedrock.frames import BrokenFrame, FrameSplitter, Message
from services.serving.providers.chunks import Chunks
from services.serving.providers.credentials import Credentials
from services.serving.providers.errors import error_body
from services.serving.providers.reading import cut_off, read_json, whole_shapes
from shared.interactions import Usage


class ConverseReader:
    """Reads one answer; satisfies `StreamReader`. Its usage comes last, behind the reason why it stopped."""

    def __init__(
        self,
        provider: str,
        credentials: Credentials,
        chunks: Chunks,
        *,
        model: str,
        limit: int,
        tells_usage: bool,
    ) -> None:
        self.ended = False
        self._provider = provider
        self._credentials = credentials
        self._chunks = chunks
        self._model = model
        self._tells_usage = tells_usage
        self._splitter = FrameSplitter(limit)
        self._calls: dict[int, int] = {}  # block index -> index among the tool calls
        self._stopped = False

    def feed(self, chunk: bytes, events: list[Event]) -> None:
        try:
            for message in self._splitter.feed(chunk):
                self._read(message, events)
                if self.ended:
                    return
        except BrokenFrame as fault:
            raise malformed(self._provider, "sent a broken event stream") from fault

    def close(self, events: list[Event]) -> None:
        """An answer that stopped is whole without its usage, too, which is then unknown."""
        if not self._stopped:
            raise cut_off(self._provider)
        self._end(None, events)

    def _read(self, message: Message, events: list[Event]) -> None:
        kind = message.headers.get(":message-type")
        if kind != "event":
            self._fail(message)
        event = read_json(message.payload, self._provider)
        with whole_shapes(self._provider):
            match message.headers.get(":event-type"):
                case "messageStart":
                    events.append(self._chunks.said({"role": "assistant", "content": ""}))
                case "contentBlockStart":
                    self._start_block(event["contentBlockIndex"], event["start"], events)
                case "contentBlockDelta":
                    self._grow_block(event["contentBlockIndex"], event["delta"], events)
                case "messageStop":
                    self._stopped = True
                    reason = finish_reason(event["stopReason"], self._provider)
                    events.append(self._chunks.said({}, finish=reason))
                case "metadata":
                    self._end(usage_of(event, message.payload, self._model), events)
                case _:
                    pass  # the end of a block, or an event newer than this file

    def _start_block(self, index: int, start: JsonObject, events: list[Event]) -> None:
        use = start.get("toolUse")
        if use is None:
            return
        place = self._calls[index] = len(self._calls)
        function = {"name": use["name"], "arguments": ""}
        call = {"index": place, "id": use["toolUseId"], "type": "function", "function": function}
        events.append(self._chunks.said({"tool_calls": [call]}))

    def _grow_block(self, index: int, delta: JsonObject, events: list[Event]) -> None:
        match delta:
            case {"text": str(text)}:
                events.append(self._chunks.said({"content": text}))
            case {"toolUse": {"input": str(piece)}}:
                call = {"index": self._calls[index], "function": {"arguments": piece}}
                events.append(self._chunks.said({"tool_calls": [call]}))
            case {"reasoningContent": dict(reasoning)}:
                events.append(self._chunks.said(_thought(reasoning)))
            case _:
                pass  # citations have no place in a chunk

    def _end(self, usage: Usage | None, events: list[Event]) -> None:
        if not self._stopped:
            raise malformed(self._provider, "told its usage before its answer had stopped")
        self.ended = True
        events += self._chunks.ending(usage, told=self._tells_usage)

    def _fail(self, message: Message) -> NoReturn:
        """An exception has its type in a header and its sentence in the payload, an error both in headers."""
        headers = message.headers
        kind = headers.get(":exception-type") or headers.get(":error-code") or "upstream_error"
        told: Any = headers.get(":error-message")
        if told is None and message.payload:
            told = read_json(message.payload, self._provider).get("message")
        body = error_body(str(told or kind), kind)
        raise errored(
            self._provider, "ended a stream with an error", self._credentials.hidden_in(body)
        )


def _thought(reasoning: JsonObject) -> JsonObject:
    """A piece of a thought, its signature, or a sealed one."""
    match reasoning:
        case {"text": str(text)}:
            return {"reasoning_content": text}
        case {"signature": str(signature)}:
            block = {"type": "thinking", "thinking": "", "signature": signature}
            return {"thinking_blocks": [block]}
        case {"redactedContent": str(data)}:
            return {"thinking_blocks": [{"type": "redacted_thinking", "data": data}]}
        case _:
            return {}
