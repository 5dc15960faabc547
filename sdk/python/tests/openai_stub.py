"""What OpenAI's API answers, for the stub server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sdk_stub import Answer, Request

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
GATEWAY_ID = "01990000-0000-7000-8000-000000000001"


def completion(request: Request, headers: Mapping[str, str] | None = None) -> Answer:
    """A chat completion, streamed when it is asked for."""
    if request.json.get("stream"):
        return events(*chunks(), headers=headers)
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2026",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello"},
            }
        ],
        "usage": USAGE,
    }
    return Answer(200, json.dumps(body).encode(), headers or {})


def through_gateway(request: Request) -> Answer:
    """The same, as Leeway's gateway answers it."""
    return completion(request, {"x-leeway-interaction-id": GATEWAY_ID})


def chunks() -> list[dict[str, Any]]:
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026"}
    deltas: list[dict[str, Any]] = [{"role": "assistant"}, {"content": "Hel"}, {"content": "lo"}]
    said = [
        {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    end = {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*said, end, {**frame, "choices": [], "usage": USAGE}]


def events(*told: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    lines = [f"data: {json.dumps(event)}\n\n" for event in told]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    return Answer(200, body, {"content-type": "text/event-stream", **(headers or {})})


def failure(_: Request) -> Answer:
    body = {"error": {"message": "no such model", "type": "invalid_request_error"}}
    return Answer(404, json.dumps(body).encode(), {"x-leeway-interaction-id": GATEWAY_ID})
