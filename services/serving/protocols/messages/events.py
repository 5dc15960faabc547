"""A chat's chunks as the events of a Messages stream."""

from collections.abc import Sequence

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.request import Request
from services.serving.domain.sse import named_event
from services.serving.protocols.messages.answering import (
    message_counts,
    message_head,
    opened_block,
    sequences_of,
    stopped,
)
from services.serving.protocols.passages import (
    Began,
    Ended,
    Grew,
    Passage,
    PassageKind,
    Passages,
    Signed,
    Step,
    first_choice,
)
from shared.interactions import Usage


class MessageRetelling:
    """One message as it comes; satisfies `Retelling`.

    A chat tells its usage at its end: `message_start` counts nothing yet, and the cumulative counts of
    `message_delta` are the whole.
    """

    def __init__(self, request: Request) -> None:
        self._upstream = request.model
        self._sequences = sequences_of(request.body.tree)
        self._passages = Passages(request.model)
        self._started = False
        self._choice: JsonObject = {}
        self._usage = Usage()

    def tell(self, event: Event) -> Event:
        if event.tree is None:
            return event  # a comment is one in every protocol
        self._usage = event.usage or self._usage
        raw = b"".join(map(_event, self._events(event.tree)))
        return Event(raw, event.tree, event.usage, hidden=not raw)

    def end(self) -> Sequence[Event]:
        if not self._started:
            raise malformed(self._upstream, "ended a stream that had not begun")
        last = [_block_event(step) for step in self._passages.close()]
        delta = stopped(self._choice, self._sequences, called=self._passages.called)
        counts = message_counts(self._usage)
        last.append({"type": "message_delta", "delta": delta, "usage": counts})
        stop = _event({"type": "message_stop"})
        return [Event(b"".join(map(_event, last))), Event(stop, final=True)]

    def _events(self, chunk: JsonObject) -> list[JsonObject]:
        events = [] if self._started else [self._start(chunk)]
        choice = first_choice(chunk)
        if choice.get("finish_reason"):
            self._choice = choice
        delta = choice.get("delta")
        if isinstance(delta, dict):
            events += [_block_event(step) for step in self._passages.fold(delta)]
        return events

    def _start(self, chunk: JsonObject) -> JsonObject:
        self._started = True
        message = {
            **message_head(chunk),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_counts(Usage()),
        }
        return {"type": "message_start", "message": message}


def _block_event(step: Step) -> JsonObject:
    match step:
        case Began(passage):
            block = opened_block(passage)
            return {
                "type": "content_block_start",
                "index": passage.place,
                "content_block": block,
            }
        case Grew(passage, piece):
            delta = _delta(passage, piece)
            return {"type": "content_block_delta", "index": passage.place, "delta": delta}
        case Signed(passage, signature):
            delta = {"type": "signature_delta", "signature": signature}
            return {"type": "content_block_delta", "index": passage.place, "delta": delta}
        case Ended(passage):
            return {"type": "content_block_stop", "index": passage.place}


def _delta(passage: Passage, piece: str) -> JsonObject:
    match passage.kind:
        case PassageKind.REASONING:
            return {"type": "thinking_delta", "thinking": piece}
        case PassageKind.CALL:
            return {"type": "input_json_delta", "partial_json": piece}
        case _:
            return {"type": "text_delta", "text": piece}


def _event(event: JsonObject) -> bytes:
    return named_event(event["type"], orjson.dumps(event))
