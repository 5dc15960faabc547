"""A chat's chunks as a completion's."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.request import Request
from services.serving.domain.sse import DONE, data_event
from services.serving.domain.usage import chat_counts
from services.serving.protocols.completions.answering import completion_choice, completion_head
from services.serving.protocols.passages import choices_of
from services.serving.protocols.pieces import Pieces
from shared.interactions import Usage


class CompletionRetelling:
    """One completion as it comes, chunk by chunk; satisfies `Retelling`."""

    def __init__(self, request: Request) -> None:
        self._wants_usage = request.wants_usage
        self._pieces: dict[int, Pieces] = defaultdict(Pieces)  # of each choice

    def tell(self, event: Event) -> Event:
        if event.tree is None:
            return event  # a comment is one in every protocol
        chunks = self._chunks(event.tree, event.usage)
        raw = b"".join(data_event(orjson.dumps(chunk)) for chunk in chunks)
        return Event(raw, event.tree, event.usage, hidden=not raw)

    def end(self) -> Sequence[Event]:
        return [Event(DONE, final=True)]

    def _chunks(self, chunk: JsonObject, usage: Usage | None) -> Iterator[JsonObject]:
        told = [self._choice(place, choice) for place, choice in enumerate(choices_of(chunk))]
        said = [choice for choice in told if choice["text"] or choice["finish_reason"]]
        if said:
            yield {**completion_head(chunk), "choices": said}
        if self._wants_usage and usage is not None and not told:
            yield {**completion_head(chunk), "choices": [], "usage": chat_counts(usage)}

    def _choice(self, place: int, choice: JsonObject) -> JsonObject:
        told = completion_choice(place, choice, "")
        pieces, delta = self._pieces[told["index"]], choice.get("delta")
        given = [delta.get(k) for k in ("content", "refusal")] if isinstance(delta, dict) else []
        text = "".join(pieces.take(piece) for piece in given if isinstance(piece, str))
        return told | {"text": text + pieces.rest() if told["finish_reason"] else text}
