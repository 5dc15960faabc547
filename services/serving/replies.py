"""What clients are told beside the answers of models: headers, costs, and refusals in their own protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.serving.cache.answers import Look
from services.serving.client import Headers
from services.serving.domain.call import Call
from services.serving.domain.failure import UpstreamFailed
from services.serving.protocols.dialect import Dialect
from shared.errors import LeewayError
from shared.http import error_response
from shared.prices.exact import decimal_text

_JSON = (b"content-type", b"application/json")
_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx passes a stream on as it comes only when told
)
_UNCHANGED = ((b"x-content-type-options", b"nosniff"), (b"x-accel-buffering", b"no"))
_NOT_OURS = frozenset((b"content-length", b"content-type"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that is an error."""

    status: int
    headers: Headers
    body: bytes


def answer_headers(call: Call, look: Look, cost_usd: Decimal | None) -> Headers:
    """The headers of a whole answer."""
    cost = () if cost_usd is None else ((b"x-leeway-cost-usd", decimal_text(cost_usd).encode()),)
    return [_JSON, *_ids(call.interaction_id), *cost, *_told(call.headers), *_told(look.headers)]


def plain_headers(request_id: str) -> Headers:
    """The headers of an answer that no model gave."""
    return [_JSON, *_ids(request_id)[:1]]


def passed_headers(media_type: str, call: Call, cost_usd: Decimal | None = None) -> Headers:
    """The headers of an answer that passes through, of whatever type it is."""
    cost = () if cost_usd is None else ((b"x-leeway-cost-usd", decimal_text(cost_usd).encode()),)
    kind = (b"content-type", media_type.encode("latin-1"))
    return [kind, *_UNCHANGED, *_ids(call.interaction_id), *cost, *_told(call.headers)]


def stream_headers(call: Call, look: Look) -> Headers:
    """The headers of a stream of events."""
    return [*_STREAM, *_ids(call.interaction_id), *_told(call.headers), *_told(look.headers)]


def refusal(
    error: LeewayError, dialect: Dialect, request_id: str, *, of_a_call: bool = True
) -> Refusal:
    """What refuses a request; what an upstream said of it passes through. It was a call once its caller was known."""
    body = dialect.error_body(error, request_id)
    ids = _ids(request_id) if of_a_call else _ids(request_id)[:1]
    if isinstance(error, UpstreamFailed):
        return Refusal(error.status, [_JSON, *ids, *_told(error.headers)], body)
    response = error_response(error)
    told = [pair for pair in response.raw_headers if pair[0] not in _NOT_OURS]
    return Refusal(response.status_code, [_JSON, *ids, *told], body)


def _ids(request_id: str) -> Sequence[tuple[bytes, bytes]]:
    """A call's id is its request's: one name in every log, and the one that feedback is given under."""
    written = request_id.encode()
    return ((b"x-request-id", written), (b"x-leeway-interaction-id", written))


def _told(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
