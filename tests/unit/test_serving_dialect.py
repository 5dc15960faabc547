"""Errors in the words of the client's protocol, whoever said them first."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from anthropic.types.shared import ErrorResponse
from openai.types.responses import ResponseErrorEvent

from services.serving.domain.failure import errored, refused, timed_out
from services.serving.domain.sse import DONE, event_data
from services.serving.protocols.dialect import dialect_of, ending
from shared.errors import Denied, Invalid, LeewayError, NotFound, Unavailable

OPENAI_SAID = b'{"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit"}}'
ANTHROPIC_SAID = (
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
)


def told(kind: str, error: LeewayError) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(dialect_of(kind).error_body(error, "req-1"))
    return body


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Invalid("x"), "invalid_request_error"),
        (Invalid("x", status=413), "request_too_large"),
        (Invalid("x", status=415), "invalid_request_error"),
        (Denied("x", authenticate=True), "authentication_error"),
        (Denied("x"), "permission_error"),
        (NotFound("x"), "not_found_error"),
        (Unavailable("x"), "overloaded_error"),
        (timed_out("p"), "timeout_error"),
        (refused("p", 402, b""), "billing_error"),
        (refused("p", 429, b""), "rate_limit_error"),
        (refused("p", 500, b""), "api_error"),
        (refused("p", 401, b""), "api_error"),
        (errored("p", "failed", b""), "api_error"),
    ],
)
def test_anthropics_clients_are_told_errors_by_the_names_of_their_statuses(
    error: LeewayError, expected: str
) -> None:
    body = told("message", error)

    assert body["error"]["type"] == expected
    assert body["request_id"] == "req-1"
    assert body["error"]["message"] == error.message


def test_anthropics_clients_are_told_every_fault() -> None:
    error = Invalid("Wrong.", faults=("a", "b"), param="model", code="no_such_model")

    body = told("message", error)

    assert ErrorResponse.model_validate(body).error.message == "Wrong."
    assert body["error"] == {
        "type": "invalid_request_error",
        "message": "Wrong.",
        "code": "no_such_model",
        "param": "model",
        "faults": ["a", "b"],
    }


def test_what_an_upstream_said_in_the_clients_protocol_passes_as_it_is() -> None:
    openai, anthropic = refused("p", 429, OPENAI_SAID), refused("p", 529, ANTHROPIC_SAID)

    assert dialect_of("chat").error_body(openai) == OPENAI_SAID
    assert dialect_of("response").error_body(openai) == OPENAI_SAID
    assert dialect_of("message").error_body(anthropic) == ANTHROPIC_SAID


def test_what_an_openai_upstream_said_reaches_an_anthropic_client() -> None:
    body = told("message", refused("p", 429, OPENAI_SAID))

    assert body["error"] == {
        "type": "rate_limit_error",
        "message": "Slow down.",
        "code": "rate_limit",
    }


def test_what_an_anthropic_upstream_said_reaches_an_openai_client() -> None:
    body = told("chat", refused("p", 529, ANTHROPIC_SAID))

    assert body["error"]["message"] == "Overloaded"
    assert body["error"]["code"] == "overloaded_error"


def test_an_error_inside_of_a_stream_is_one_line_of_data_and_named_for_anthropic() -> None:
    error = errored(
        "p", "failed", b'{"error":\n {"message": "Broken.",\r\n "type": "server_error"}}'
    )

    chat, message = (dialect_of(kind).error_event(error) for kind in ("chat", "message"))

    assert chat == b'data: {"error":{"message":"Broken.","type":"server_error"}}\n\n'
    assert message.startswith(b"event: error\ndata: ")
    assert orjson.loads(event_data(message) or b"")["error"]["message"] == "Broken."


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (b"", 0),
        (b'event: a\ndata: {"sequence_number":0}\n\nevent: b\ndata: {"sequence_number":1}\n\n', 2),
        (b'event: a\ndata: {"sequence_number":7}\n\n: keep-alive\n\n', 8),
        (b'event: a\ndata: {"delta":"\\"sequence_number\\":9","sequence_number":3}\n\n', 4),
        (b"data: [DONE]\n\n", 0),
    ],
)
def test_the_error_of_a_responses_stream_goes_on_counting(after: bytes, expected: int) -> None:
    event = dialect_of("response").error_event(timed_out("p"), after=after)

    parsed = ResponseErrorEvent.model_validate_json(event_data(event) or b"")

    assert parsed.sequence_number == expected
    assert (parsed.code, parsed.message) == ("upstream_timeout", timed_out("p").message)


@pytest.mark.parametrize(
    "said", [b'{"error": "model is loading"}', b'{"message": "model is loading"}']
)
def test_the_sentence_of_an_odd_error_reaches_a_responses_stream(said: bytes) -> None:
    event = dialect_of("response").error_event(errored("p", "failed", said))

    assert orjson.loads(event_data(event) or b"")["message"] == "model is loading"


def test_what_ends_a_stream_comes_after_what_it_cost() -> None:
    assert ending(DONE, None) == DONE
    assert ending(DONE, Decimal("0.0010")) == b": x-leeway-cost-usd 0.001\n\n" + DONE


def test_a_sign_of_life_is_passed_over_by_every_reader() -> None:
    assert dialect_of("chat").keep_alive == dialect_of("response").keep_alive == b": keep-alive\n\n"
    assert dialect_of("message").keep_alive == b'event: ping\ndata: {"type":"ping"}\n\n'
