"""How each protocol of clients tells what is no answer: errors, errors inside of a stream, a sign of life."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, said_in
from services.serving.domain.sse import comment, data_event, event_data, named_event
from services.serving.providers.anthropic.answering import chat_error
from shared.errors import LeewayError
from shared.http import error_response
from shared.prices.exact import decimal_text


class Dialect(Protocol):
    """The words of one protocol for what the gateway itself has to say.

    An error that an upstream told in the same protocol passes as it is; one of another protocol is
    said again in this one.
    """

    @property
    def keep_alive(self) -> bytes:
        """What a waiting stream is sent, and every client of the protocol passes over."""
        ...

    def error_body(self, error: LeewayError, request_id: str = "") -> bytes:
        """The JSON body of a refusal."""
        ...

    def error_event(self, error: LeewayError, request_id: str = "", *, after: bytes = b"") -> bytes:
        """The last event of a stream whose answer is not whole; `after` ends with the event before it."""
        ...


class OpenAIDialect:
    """The errors of chat completions, completions, embeddings and whatever else is OpenAI's."""

    keep_alive = comment("keep-alive")

    def error_body(self, error: LeewayError, request_id: str = "") -> bytes:  # noqa: ARG002 - a header tells it
        told = upstream_body(error)
        if told:
            return chat_error(told) if _is_anthropic(told) else told
        return orjson.dumps({"error": _Told.of(error).openai()})

    def error_event(self, error: LeewayError, request_id: str = "", *, after: bytes = b"") -> bytes:  # noqa: ARG002
        return data_event(_on_one_line(self.error_body(error, request_id)))


class ResponsesDialect(OpenAIDialect):
    """The errors of OpenAI's Responses: bodies as everywhere, and a numbered event of its own."""

    def error_event(self, error: LeewayError, request_id: str = "", *, after: bytes = b"") -> bytes:
        body = orjson.loads(self.error_body(error, request_id))
        told = body.get("error")
        if not isinstance(
            told, dict
        ):  # some servers answer {"error": "..."}, some {"message": ...}
            told = {"message": told if isinstance(told, str) else body.get("message")}
        event = {
            "type": "error",
            "code": told.get("code") or told.get("type"),
            "message": told.get("message") or error.message,
            "param": told.get("param"),
            "sequence_number": _last_number(after) + 1,
        }
        return named_event("error", orjson.dumps(event))


class AnthropicDialect:
    """The errors of Anthropic's Messages, named by the status (Anthropic's API, "Errors")."""

    keep_alive = named_event("ping", b'{"type":"ping"}')

    def error_body(self, error: LeewayError, request_id: str = "") -> bytes:
        told = upstream_body(error)
        if _is_anthropic(told):
            return told
        return orjson.dumps(
            {
                "type": "error",
                "error": _Told.of(error).anthropic(),
                "request_id": request_id or None,
            }
        )

    def error_event(self, error: LeewayError, request_id: str = "", *, after: bytes = b"") -> bytes:  # noqa: ARG002
        return named_event("error", _on_one_line(self.error_body(error, request_id)))


@dataclass(frozen=True, slots=True)
class _Told:
    """What an error says, in no protocol's shape yet."""

    status: int
    kind: str
    message: str
    code: str
    param: str | None = None
    faults: Sequence[str] = ()

    @classmethod
    def of(cls, error: LeewayError) -> "_Told":
        if isinstance(error, UpstreamFailed):
            said = said_in(error.body)
            kind = "timeout_error" if error.status == 504 else "upstream_error"
            return cls(error.status, kind, said.message or error.message, said.reason or error.code)
        response = error_response(error)
        told: JsonObject = orjson.loads(response.body)["error"]
        return cls(
            response.status_code,
            told["type"],
            told["message"],
            told["code"],
            told["param"],
            told.get("faults", ()),
        )

    def openai(self) -> JsonObject:
        return {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
            **self._faults(),
        }

    def anthropic(self) -> JsonObject:
        """Its code, parameter and faults stand beside what the protocol knows: clients pass them over."""
        param = {"param": self.param} if self.param else {}
        return {
            "type": anthropic_type(self.status),
            "message": self.message,
            "code": self.code,
            **param,
            **self._faults(),
        }

    def _faults(self) -> JsonObject:
        return {"faults": list(self.faults)} if self.faults else {}


def dialect_of(kind: str) -> Dialect:
    """The dialect of the clients that ask for a kind of interaction."""
    return _DIALECTS.get(kind, _OPENAI)


def ending(final: bytes, cost_usd: Decimal | None) -> bytes:
    """What ends a whole stream: what it cost, when that can be told, and then its `final` event."""
    if cost_usd is None:
        return final
    return comment(f"x-leeway-cost-usd {decimal_text(cost_usd)}") + final


def anthropic_type(status: int) -> str:
    """Anthropic's name for the errors of an HTTP status.

    >>> anthropic_type(429), anthropic_type(418), anthropic_type(502)
    ('rate_limit_error', 'invalid_request_error', 'api_error')
    """
    rest = "invalid_request_error" if 400 <= status < 500 else "api_error"
    return _ANTHROPIC_TYPES.get(status, rest)


def upstream_body(error: LeewayError) -> bytes:
    """The JSON that an upstream itself said of its error; empty when it said nothing of use."""
    return error.body if isinstance(error, UpstreamFailed) else b""


def _is_anthropic(body: bytes) -> bool:
    try:
        match orjson.loads(body):
            case {"type": "error", "error": {"type": str(), "message": str()}}:
                return True
            case _:
                return False
    except orjson.JSONDecodeError:
        return False


def _on_one_line(body: bytes) -> bytes:
    # A body of several lines would be several lines of data: written anew, it is one.
    return orjson.dumps(orjson.loads(body))


def _last_number(sent: bytes) -> int:
    """The number of the last event that was sent; -1 when none with a number was."""
    blocks = (event_data(block) for block in reversed(sent.rstrip().split(b"\n\n")))
    data = next((data for data in blocks if data is not None), b"null")
    try:
        event: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return -1
    number = event.get("sequence_number") if isinstance(event, dict) else None
    return number if type(number) is int else -1


_OPENAI = OpenAIDialect()
_DIALECTS: Mapping[str, Dialect] = {"message": AnthropicDialect(), "response": ResponsesDialect()}
_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
