"""One watched call, from its request to what became of it: recorded exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import openai

from leeway.client import Client
from leeway.counters import Counters
from leeway.guard import nothing, promised
from leeway.ids import new_id
from leeway.openai.transcript import Transcript, gathering, read

_KINDS: Mapping[str, str] = {
    "/chat/completions": "chat",
    "/completions": "completion",
    "/responses": "response",
    "/embeddings": "embedding",
}
_INPUTS = ("messages", "input", "prompt")
_NOT_OPTIONS = frozenset({"model", "stream", *_INPUTS})
_STREAM_ENDS = (StopIteration, StopAsyncIteration)
_CANCELLED = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


def begin(asked: Any, provider: str, taker: Client) -> Call | None:
    """A call of these request options; None for endpoints that ask no model for an answer."""
    kind = _KINDS.get(asked.url)
    body = asked.json_data
    if kind is None or asked.method.lower() != "post" or not isinstance(body, Mapping):
        return None
    return Call(kind, {**body, **(asked.extra_json or {})}, provider, taker)


class Call:
    """One call. Whichever end comes first is recorded; the others find it done.

    `with call:` around a part of the provider's own work: what that raises is recorded and goes on
    unchanged, the end of a stream included.
    """

    def __init__(self, kind: str, body: Mapping[str, Any], provider: str, taker: Client) -> None:
        self.interaction_id = new_id()
        self._kind = kind
        self._body = body
        self._provider = provider
        self._taker = taker
        self._started_at = time.time()
        self._seen_at = self._started_at
        self._first_token_at: float | None = None
        self._gathered = gathering(kind)
        self._done = False

    @property
    def counters(self) -> Counters:
        """Where a fault of the watching is counted."""
        return self._taker.counters

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if fault is not None:
            self._end(fault)

    @promised(nothing)
    def finish(self, reply: Any) -> None:
        """It was answered. A raw response is read when its body is here; it is never read ahead."""
        self._seen_at = time.time()
        self._record(read(self._kind, _parsed(reply)))

    @promised(nothing)
    def add(self, chunk: Any) -> None:
        """A chunk of its stream came."""
        self._seen_at = time.time()
        if self._gathered.add(chunk) and self._first_token_at is None:
            self._first_token_at = self._seen_at

    @promised(nothing)
    def cancel(self) -> None:
        """Nobody reads on: it ended with the last chunk that was seen."""
        self._record(self._gathered.transcript(), status="cancelled")

    @promised(nothing)
    def _end(self, fault: BaseException) -> None:
        if isinstance(fault, _STREAM_ENDS):
            self._record(self._gathered.transcript())
            return
        self._seen_at = time.time()
        if isinstance(fault, _CANCELLED):
            self.cancel()
        else:
            self._record(self._gathered.transcript(), status="error", error=_error(fault))

    def _record(
        self, said: Transcript, *, status: str = "", error: Mapping[str, object] | None = None
    ) -> None:
        if self._done:
            return
        self._done = True
        options = {name: value for name, value in self._body.items() if name not in _NOT_OPTIONS}
        self._taker.record(
            id=self.interaction_id,
            kind=self._kind,
            model=str(self._body.get("model", "")),
            provider=self._provider,
            input=_input(self._body),
            options=options or None,
            started_at=self._started_at,
            ended_at=self._seen_at,
            first_token_at=self._first_token_at,
            streaming=bool(self._body.get("stream")),
            status=status or said.status,
            response_model=said.response_model or None,
            output=said.output or None,
            usage=said.usage,
            finish_reasons=said.finish_reasons or None,
            error=error,
        )


def _input(body: Mapping[str, Any]) -> Any:
    """What was asked, as messages: texts and tokens to embed or to complete are messages of their own."""
    asked = next((body[name] for name in _INPUTS if name in body), None)
    if not isinstance(asked, (list, tuple)):
        return asked
    return [one if isinstance(one, (str, Mapping)) else _tokens(one) for one in asked][:1_000]


def _tokens(value: object) -> str:
    return f"<{len(value)} tokens>" if isinstance(value, (list, tuple)) else "<token>"


def _parsed(reply: Any) -> Any:
    """A raw response's own reply, when its body has been read already; anything else as it is."""
    http_response = getattr(reply, "http_response", None)
    if http_response is None:
        return reply
    return reply.parse() if http_response.is_stream_consumed else None


def _error(fault: BaseException) -> Mapping[str, object]:
    error: dict[str, object] = {"type": type(fault).__name__, "message": str(fault)[:16_000]}
    if isinstance(fault, openai.APIStatusError):
        error["status"] = fault.status_code
    return error
