"""The streams of OpenAI's protocols: each event passes as it came, and is read for the account."""

import json
from typing import Any

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, errored
from services.serving.domain.sse import data_event
from services.serving.providers.credentials import Credentials
from services.serving.providers.errors import error_body, openai_error
from services.serving.providers.openai.shapes import (
    chat_of_completion,
    chunk_of_response,
    failure_of_response,
    finish_reason,
    head_of_response,
)
from services.serving.providers.openai.thoughts import in_plain_texts
from services.serving.providers.openai.usage import response_usage, usage_in
from services.serving.providers.reading import cut_off, read_json, whole_shapes


class ChunkReader:
    """Reads the chunks of a chat, or (`legacy`) of a completion; satisfies `EventReader`.

    The chunk that only tells the usage is hidden from a client that did not ask for it (`tells_usage`).
    """

    def __init__(
        self,
        provider: str,
        credentials: Credentials,
        dialect: str,
        *,
        tells_usage: bool,
        legacy: bool,
    ) -> None:
        self.ended = False
        self._provider = provider
        self._credentials = credentials
        self._dialect = dialect
        self._tells_usage = tells_usage
        self._legacy = legacy

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        if data is None:
            events.append(Event(raw))
        elif data.strip() == b"[DONE]":
            self.ended = True
            events.append(Event(raw, final=True))
        else:
            events.append(self._chunk(raw, data))

    def close(self, events: list[Event]) -> None:  # noqa: ARG002 - nothing but [DONE] ends it
        raise cut_off(self._provider)

    def _chunk(self, raw: bytes, data: bytes) -> Event:
        tree = read_json(data, self._provider)
        if b'"error"' in data:
            refuse_error(tree, data, self._provider, self._credentials)
        plain = in_plain_texts(tree) if self._dialect == "mistral" else None
        if plain is not None:
            with whole_shapes(self._provider):
                tree, raw = plain, data_event(orjson.dumps(plain))
        usage = usage_in(data, tree, self._dialect) if tree.get("usage") else None
        hidden = usage is not None and tree.get("choices") == [] and not self._tells_usage
        said = chat_of_completion(tree, "delta") if self._legacy else tree
        return Event(raw, said, usage, hidden=hidden)


class ResponseReader:
    """Reads the events of one response; satisfies `EventReader`.

    An incomplete response is an answer, and says why it ended; a failed one is none.
    """

    def __init__(self, provider: str, credentials: Credentials, dialect: str) -> None:
        self.ended = False
        self._provider = provider
        self._credentials = credentials
        self._dialect = dialect
        self._called = False

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        if data is None:
            events.append(Event(raw))
            return
        if data.strip() == b"[DONE]":  # some servers say it once more
            return
        event = read_json(data, self._provider)
        with whole_shapes(self._provider):
            events.append(self._event(raw, data, event))

    def close(self, events: list[Event]) -> None:  # noqa: ARG002 - only its last event ends it
        raise cut_off(self._provider)

    def _event(self, raw: bytes, data: bytes, event: JsonObject) -> Event:
        match event.get("type"):
            case "response.completed" | "response.incomplete":
                return self._last(raw, data, event)
            case "response.failed" | "response.cancelled":
                raise self._failed(failure_of_response(event["response"]))
            case "error":
                raise self._failed(_event_error(event))
            case None if event.get("error"):
                raise self._failed(openai_error(data))
            case "response.created":
                return Event(raw, head_of_response(event["response"]))
            case "response.output_item.added":
                return Event(raw, self._item(event["output_index"], event["item"]))
            case str(kind) if kind in _DELTAS:
                return Event(raw, chunk_of_response({_DELTAS[kind]: event["delta"]}))
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return Event(raw, _called(event["output_index"], {"arguments": event["delta"]}))
            case _:
                return Event(raw)

    def _item(self, index: int, item: JsonObject) -> JsonObject | None:
        if item.get("type") not in ("function_call", "custom_tool_call"):
            return None
        self._called = True
        function = {"name": item["name"], "arguments": ""}
        return _called(index, function, item["call_id"])

    def _last(self, raw: bytes, data: bytes, event: JsonObject) -> Event:
        self.ended = True
        response = event["response"]
        reason = finish_reason(response, called=self._called)
        choice = {"index": 0, "delta": {}, "finish_reason": reason}
        tree = {**head_of_response(response), "choices": [choice]}
        return Event(raw, tree, response_usage(data, event, self._dialect), final=True)

    def _failed(self, body: bytes) -> UpstreamFailed:
        hidden = self._credentials.hidden_in(body)
        return errored(self._provider, "ended a stream with an error", hidden)


def refuse_error(
    tree: JsonObject, body: bytes, provider: str, credentials: Credentials, where: str = "a stream"
) -> None:
    """Raise `UpstreamFailed` for an error that stands where an answer should.

    OpenRouter also tells one in a choice, whose finish reason is then `error`.
    """
    told = _error_in(tree, body)
    if told:
        what = f"ended {where} with an error" if where == "a stream" else f"answered with {where}"
        raise errored(provider, what, credentials.hidden_in(told))


def _error_in(tree: JsonObject, body: bytes) -> bytes:
    if tree.get("error"):
        return openai_error(body)
    choices = tree.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("finish_reason") == "error":
            error = choice.get("error")
            if isinstance(error, dict):
                return json.dumps({"error": error}).encode()
            return error_body("The upstream gave its answer up.", "upstream_error")
    return b""


def _event_error(event: JsonObject) -> bytes:
    """An `error` event's own members, or those of the error inside of it."""
    told: Any = event.get("error")
    error = told if isinstance(told, dict) else event
    message = str(error.get("message") or "The response failed.")
    code, param = error.get("code"), error.get("param")
    inner = {"message": message, "type": "server_error", "param": param, "code": code}
    return orjson.dumps({"error": inner})


def _called(index: int, function: JsonObject, call_id: str = "") -> JsonObject:
    named = {"id": call_id, "type": "function"} if call_id else {}
    return chunk_of_response({"tool_calls": [{"index": index, **named, "function": function}]})


_DELTAS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning_content",
    "response.reasoning_text.delta": "reasoning_content",
}
