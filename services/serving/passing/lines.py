"""The lines of a batch: each is a call that passes the gate when the file comes, and an interaction when its answer is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.serving.domain.body import Body, JsonObject, parse_body
from services.serving.domain.request import Kind, Request
from services.serving.domain.usage import openai_usage
from services.serving.providers.reading import read_json, verbatim
from shared.errors import Invalid
from shared.ids import derived_id
from shared.interactions import Interaction, Usage

MAX_LINES = 10_000
TIER = "batch"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a batch's input, and the request that it is."""

    body: Body
    request: Request

    def asking(self, request: Request, model: str) -> bytes:
        """The line as it is sent on: the request as the gate left it, for the provider's own name of the model."""
        asked = msgspec.Raw(request.body.rewritten({"model": model}))
        return self.body.rewritten({"body": asked}) + b"\n"


def lines_of(
    content: bytes, readers: Mapping[str, tuple[Kind, Callable[[Body], Request]]]
) -> Sequence[Line]:
    """The lines of a batch's file. Raises `Invalid` unless all ask one model by one endpoint, whole."""
    lines = [_line(number, raw, readers) for number, raw in _numbered(content)]
    if not lines:
        raise Invalid("The batch's file has no line.", param="file", code="invalid_batch")
    if len({(line.request.kind, line.request.model) for line in lines}) > 1:
        raise Invalid(
            "The lines of a batch ask one model by one endpoint.",
            param="file",
            code="invalid_batch",
        )
    return lines


def _numbered(content: bytes) -> Iterator[tuple[int, bytes]]:
    written = [line for line in content.split(b"\n") if line.strip()]
    if len(written) > MAX_LINES:
        raise Invalid(
            f"A batch has at most {MAX_LINES} lines here.", param="file", code="invalid_batch"
        )
    yield from enumerate(written, 1)


def _line(
    number: int, raw: bytes, readers: Mapping[str, tuple[Kind, Callable[[Body], Request]]]
) -> Line:
    try:
        body = parse_body(raw)
        asked, url = body.tree.get("body"), body.tree.get("url")
        if not isinstance(asked, dict) or not isinstance(url, str) or url not in readers:
            raise Invalid(f"it must hold a 'body', and as 'url' one of {', '.join(readers)}")
        request = readers[url][1](parse_body(bytes(body.members["body"])))
        if request.streaming:
            raise Invalid("it must not stream")
    except Invalid as fault:
        raise Invalid(
            f"Line {number} of the batch is wrong: {fault.message}",
            param="file",
            code="invalid_batch",
        ) from fault
    return Line(body, request)


@dataclass(frozen=True, slots=True)
class Output:
    """Whose answers a batch's output file holds: its provider, its own name, and what was asked."""

    provider: str
    file: str
    kind: str
    model: str

    def interaction(self, raw: bytes, now: datetime) -> Interaction | None:
        """The interaction of one line; None for one that is no answer. The same line is the same interaction."""
        tree = read_json(raw, self.provider)
        answer = tree.get("response")
        if not isinstance(answer, dict):
            return None
        body, status = answer.get("body"), answer.get("status_code")
        told: JsonObject = body if isinstance(body, dict) else {}
        answered = status == 200
        return Interaction(
            interaction_id=derived_id("batch", self.provider, self.file, str(tree.get("id", raw))),
            kind=self.kind,
            source="serving",
            status="ok" if answered else "error",
            request_model=self.model,
            started_at=now,
            ended_at=now,
            provider=self.provider,
            response_model=str(told.get("model") or ""),
            error_type="" if answered else "upstream_refused",
            http_status=status if isinstance(status, int) else 0,
            usage=_usage(raw, told),
        )


def _usage(raw: bytes, body: JsonObject) -> Usage:
    counts = body.get("usage")
    if not isinstance(counts, dict) or not counts:
        return Usage()
    written = verbatim(raw, ("response", "body", "usage"), counts)
    return openai_usage(written, counts, TIER)
