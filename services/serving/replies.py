"""What clients are told beside the answers of models: errors, in OpenAI's format, headers, and costs."""

from dataclasses import dataclass
from decimal import Decimal

import orjson

from services.serving.client import Headers
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.sse import DONE, comment, data_event
from shared.errors import LeewayError
from shared.http import error_response
from shared.prices.exact import decimal_text

_JSON = (b"content-type", b"application/json")
_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx passes a stream on as it comes only when told
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that is an error."""

    status: int
    headers: Headers
    body: bytes


def answer_headers(interaction_id: str, cost_usd: Decimal | None) -> Headers:
    """The headers of a whole answer."""
    headers = [_JSON, (b"x-leeway-interaction-id", interaction_id.encode())]
    if cost_usd is not None:
        headers.append((b"x-leeway-cost-usd", decimal_text(cost_usd).encode()))
    return headers


def stream_headers(interaction_id: str) -> Headers:
    """The headers of a stream of events."""
    return [*_STREAM, (b"x-leeway-interaction-id", interaction_id.encode())]


def stream_end(cost_usd: Decimal | None) -> bytes:
    """What ends a whole stream: what it cost, when that can be told, where clients look for nothing."""
    if cost_usd is None:
        return DONE
    return comment(f"x-leeway-cost-usd {decimal_text(cost_usd)}") + DONE


def refusal(error: LeewayError, interaction_id: str) -> Refusal:
    """What refuses a call; what an upstream said of it passes through."""
    own = ((b"x-leeway-interaction-id", interaction_id.encode()),) if interaction_id else ()
    if isinstance(error, UpstreamFailed):
        told = [(name.encode(), value.encode("latin-1")) for name, value in error.headers.items()]
        return Refusal(error.status, [_JSON, *own, *told], _error_body(error))
    response = error_response(error)
    told = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return Refusal(response.status_code, [*told, *own], bytes(response.body))


def error_event(error: LeewayError) -> bytes:
    """The event that ends a stream whose answer is not whole."""
    # A body of several lines would be several lines of data: written anew, it is one.
    return data_event(orjson.dumps(orjson.loads(_error_body(error))))


def _error_body(error: LeewayError) -> bytes:
    if not isinstance(error, UpstreamFailed):
        return bytes(error_response(error).body)
    if error.body:
        return error.body
    told = {
        "message": error.message,
        "type": "timeout_error" if error.status == 504 else "upstream_error",
        "param": None,
        "code": error.code,
    }
    return orjson.dumps({"error": told})
