"""The doors of ingest and feedback, asked wrongly: a status, a code and one sentence, and nothing stored."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.feedback.app import build as build_feedback
from services.feedback.settings import Settings as FeedbackSettings
from services.ingest.app import build as build_ingest
from services.ingest.settings import Settings as IngestSettings
from shared.lifecycle import App
from shared.live import LiveView
from tests.builders import NOW
from tests.doors import TOKEN, a_client, a_host, a_live_view
from tests.fakes import FakeOutbox

PATHS = ("/v1/interactions", "/v1/spans", "/v1/feedback")
LARGE = b'{"interactions":[' + b" " * 5000 + b"]}"


def an_app(path: str, outbox: FakeOutbox, live: LiveView | None = None) -> App:
    host = a_host(outbox, live)
    if path == "/v1/feedback":
        return build_feedback(FeedbackSettings(max_body_bytes=4096), host)
    return build_ingest(IngestSettings(max_body_bytes=4096), host)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"feedback":[', 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b"[]", 400, "invalid_request"),
        (b'{"a":"\xff"}', 400, "invalid_json"),
        (b"[" * 4000, 400, "invalid_json"),
        (LARGE, 413, "body_too_large"),
        (in_pieces, 413, "body_too_large"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_wrong_body_is_refused(path: str, body: Any, status: int, code: str) -> None:
    sent = body if isinstance(body, bytes) else body(LARGE)

    assert await refused(path, content=sent) == (status, code)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_nested_ten_thousand_deep_is_refused(path: str) -> None:
    outbox = FakeOutbox()
    app = build_feedback(FeedbackSettings(), a_host(outbox))
    if path != "/v1/feedback":
        app = build_ingest(IngestSettings(), a_host(outbox))
    async with a_client(app) as client:
        response = await client.post(path, content=b'{"a":' * 10_000 + b"1" + b"}" * 10_000)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "invalid_api_key"),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 401, "invalid_api_key"),
        ({"x-api-key": "another"}, 401, "invalid_api_key"),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_wrong_header_is_refused(
    path: str, headers: dict[str, str], status: int, code: str
) -> None:
    assert await refused(path, content=b"{", headers=headers) == (status, code)


@pytest.mark.parametrize("path", PATHS)
async def test_a_revoked_an_expired_and_a_narrow_key_are_refused(path: str) -> None:
    answers = []
    for change in (
        {"revoked": True},
        {"expires_at": NOW - timedelta(seconds=1)},
        {"scopes": frozenset({"read"})},
    ):
        live = a_live_view()
        for key_id, key in live.keys.items():
            live.keys[key_id] = replace(key, **change)
        answers.append(await refused(path, live, content=b"{"))

    assert answers == [(401, "invalid_api_key"), (401, "invalid_api_key"), (403, "denied")]


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_refused(path: str) -> None:
    assert await refused(path, method="GET") == (405, "method_not_allowed")


async def refused(
    path: str, live: LiveView | None = None, *, method: str = "POST", **request: Any
) -> tuple[int, str]:
    """The status and the code of a refusal, which is one sentence and stores nothing."""
    outbox = FakeOutbox()
    async with a_client(an_app(path, outbox, live)) as client:
        response = await client.request(method, path, **request)
    error = json.loads(response.content)["error"]
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]
    assert outbox.facts == []
    return response.status_code, error["code"]
