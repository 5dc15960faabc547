"""A chat's chunks as the events of a Responses stream."""

from collections.abc import Iterator, Sequence

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.request import Request
from services.serving.domain.sse import named_event
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
    word_in,
)
from services.serving.protocols.responses.answering import (
    ended,
    opened_item,
    part_of,
    response_head,
    status_after,
    whole_item,
)
from shared.interactions import Usage

MAX_TOLD_CHARS = 32 * 1024 * 1024  # of one answer: what it said is said again at its end


class ResponseRetelling:
    """One response as it comes, its events numbered from 0; satisfies `Retelling`.

    An item that was still open when the answer ended has the answer's status, as every item of the
    response that ends it.
    """

    def __init__(self, request: Request) -> None:
        self._upstream = request.model
        self._request = request.body.tree
        self._passages = Passages(request.model)
        self._sent = 0
        self._head: JsonObject = {}
        self._items: list[JsonObject] = []
        self._pieces: list[str] = []
        self._at: JsonObject = {}
        self._room = MAX_TOLD_CHARS
        self._finish_reason = ""
        self._usage: Usage | None = None

    def tell(self, event: Event) -> Event:
        if event.tree is None:
            return event  # a comment is one in every protocol
        self._usage = event.usage or self._usage
        raw = b"".join(map(self._numbered, self._events(event.tree)))
        return Event(raw, event.tree, event.usage, hidden=not raw)

    def end(self) -> Sequence[Event]:
        if not self._head:
            raise malformed(self._upstream, "ended a stream that had not begun")
        status = status_after(self._finish_reason)
        steps = [event for step in self._passages.close() for event in self._step(step, status)]
        last = b"".join(map(self._numbered, steps))
        response = ended(self._head, self._items, self._finish_reason, self._usage)
        final = self._numbered({"type": f"response.{status}", "response": response})
        return [*([Event(last)] if last else []), Event(final, final=True)]

    def _events(self, chunk: JsonObject) -> Iterator[JsonObject]:
        if not self._head:
            self._head = response_head(chunk, self._request)
            yield {"type": "response.created", "response": self._head}
            yield {"type": "response.in_progress", "response": self._head}
        choice = first_choice(chunk)
        self._finish_reason = word_in(choice, "finish_reason") or self._finish_reason
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for step in self._passages.fold(delta):
                yield from self._step(step, "completed")

    def _step(self, step: Step, status: str) -> Iterator[JsonObject]:
        place = step.passage.place
        match step:
            case Began(passage):
                item = opened_item(passage, self._head["id"])
                self._at = _at(passage, item)
                yield {"type": "response.output_item.added", "output_index": place, "item": item}
                yield from _part_event(passage, "added", self._at, "")
            case Grew(passage, piece):
                self._keep(piece)
                kind = f"{_TEXTS[passage.kind]}.delta"
                yield {"type": kind, **self._at, **_delta(passage, piece)}
            case Signed():
                pass  # what is given back of reasoning is passed over
            case Ended(passage):
                text, self._pieces = "".join(self._pieces), []
                item = whole_item(passage, text, self._head["id"], status)
                self._items.append(item)
                if passage.kind is not PassageKind.SEALED:
                    kind = f"{_TEXTS[passage.kind]}.done"
                    yield {"type": kind, **self._at, **_done(passage, text)}
                yield from _part_event(passage, "done", self._at, text)
                yield {"type": "response.output_item.done", "output_index": place, "item": item}

    def _keep(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room < 0:
            raise malformed(self._upstream, f"answered with more than {MAX_TOLD_CHARS} characters")
        self._pieces.append(piece)

    def _numbered(self, event: JsonObject) -> bytes:
        numbered = {**event, "sequence_number": self._sent}
        self._sent += 1
        return named_event(event["type"], orjson.dumps(numbered))


def _at(passage: Passage, item: JsonObject) -> JsonObject:
    """Where in the response the text of an item is."""
    at = {"item_id": item["id"], "output_index": passage.place}
    index = _INDEXES.get(passage.kind)
    return {**at, index: 0} if index else at


def _part_event(passage: Passage, what: str, at: JsonObject, text: str) -> Iterator[JsonObject]:
    """The event of the one part that an item's text is; a call has none, nor has what is sealed."""
    if passage.kind in (PassageKind.CALL, PassageKind.SEALED):
        return
    reasoning = passage.kind is PassageKind.REASONING
    kind = "reasoning_summary_part" if reasoning else "content_part"
    yield {"type": f"response.{kind}.{what}", **at, "part": part_of(passage, text)}


def _delta(passage: Passage, piece: str) -> JsonObject:
    return (
        {"delta": piece, "logprobs": []} if passage.kind is PassageKind.TEXT else {"delta": piece}
    )


def _done(passage: Passage, text: str) -> JsonObject:
    match passage.kind:
        case PassageKind.CALL:
            return {"arguments": text, "name": passage.name}
        case PassageKind.REFUSAL:
            return {"refusal": text}
        case PassageKind.TEXT:
            return {"text": text, "logprobs": []}
        case PassageKind.REASONING | PassageKind.SEALED:
            return {"text": text}


_TEXTS = {
    PassageKind.REASONING: "response.reasoning_summary_text",
    PassageKind.TEXT: "response.output_text",
    PassageKind.REFUSAL: "response.refusal",
    PassageKind.CALL: "response.function_call_arguments",
}
_INDEXES = {
    PassageKind.REASONING: "summary_index",
    PassageKind.TEXT: "content_index",
    PassageKind.REFUSAL: "content_index",
}
