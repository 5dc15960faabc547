"""What may be asked of pictures, sounds and moderations: a model, and whatever else their provider reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.passage import Passage, Shape
from services.serving.domain.request import Kind, Request, model_faults, refuse, request_of

_TEXTS = frozenset(("text", "srt", "vtt"))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of OpenAI's protocol: its kind, and what its answer to a request is."""

    path: str
    kind: Kind
    shape: Callable[[JsonObject], Shape]

    def request(self, body: Body) -> Request:
        """A request of the operation. Raises `Invalid` without a model."""
        faults = list(model_faults({**body.tree, "metadata": None}))
        if not isinstance(body.tree.get("stream"), bool | None):
            faults.append("'stream' must be true or false")
        refuse(faults)
        shape = self.shape(body.tree)
        request = request_of(self.kind, body)
        passage = Passage(self.path, shape)
        return replace(request, streaming=shape is Shape.EVENTS, passage=passage)


def _whole_or_events(tree: JsonObject) -> Shape:
    return Shape.EVENTS if tree.get("stream") else Shape.JSON


def _speech(tree: JsonObject) -> Shape:
    return Shape.EVENTS if tree.get("stream_format") == "sse" else Shape.BYTES


def _written(tree: JsonObject) -> Shape:
    if tree.get("response_format") in _TEXTS:
        return Shape.BYTES
    return _whole_or_events(tree)


def _json(_: JsonObject) -> Shape:
    return Shape.JSON


OPERATIONS: Mapping[str, Operation] = {
    f"/v1{operation.path}": operation
    for operation in (
        Operation("/images/generations", Kind.IMAGE, _whole_or_events),
        Operation("/images/edits", Kind.IMAGE, _whole_or_events),
        Operation("/images/variations", Kind.IMAGE, _json),
        Operation("/audio/speech", Kind.AUDIO, _speech),
        Operation("/audio/transcriptions", Kind.AUDIO, _written),
        Operation("/audio/translations", Kind.AUDIO, _written),
        Operation("/moderations", Kind.MODERATION, _json),
    )
}
"""Every operation that is passed through, by its route."""
