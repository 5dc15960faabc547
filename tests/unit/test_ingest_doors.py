"""The SDK's doors: verdicts, statuses, policies, and what an outbox that is full means."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeway_pb.v1.span_pb2 import SpanEnded

from services.ingest.app import build
from services.ingest.settings import Settings
from shared.clock import micros
from shared.live import LiveView
from tests.builders import INTERACTION_ID, NOW
from tests.doors import a_client, a_host, a_live_view
from tests.fakes import FakeOutbox

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
A_SPAN: dict[str, Any] = {
    "trace_id": TRACE_ID,
    "span_id": SPAN_ID,
    "name": "retrieve",
    "started_at": NOW.isoformat(),
    "ended_at": NOW.isoformat(),
    "attributes": {"input.value": "mail ann@example.org", "hits": 3, "from": "ann@example.org"},
    "events": [{"name": "found", "attributes": {"n": 3}}],
}


async def post(
    path: str, body: object, outbox: FakeOutbox, live: LiveView | None = None
) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with a_client(build(Settings(), a_host(outbox, live))) as client:
        response = await client.post(path, content=content)
    return response.status_code, response.json()


async def test_each_item_gets_its_own_verdict() -> None:
    outbox = FakeOutbox()
    items = [
        {"id": INTERACTION_ID, "model": "demo", "sesion_id": "s", "prompt": {"label": "x"}},
        {"model": ""},
        7,
        {"id": INTERACTION_ID, "model": "demo"},
    ]

    status, body = await post("/v1/interactions", {"interactions": items}, outbox)

    assert status == 200
    assert body == {
        "accepted": 2,
        "rejected": 2,
        "results": [
            {"id": INTERACTION_ID, "status": "accepted", "ignored": ["sesion_id", "prompt.label"]},
            {"index": 1, "status": "rejected", "faults": ["model: is required"]},
            {"index": 2, "status": "rejected", "faults": ["expected an object, got a number"]},
            {"id": INTERACTION_ID, "status": "accepted"},
        ],
    }
    assert [fact.event_id for fact in outbox.facts] == [INTERACTION_ID, INTERACTION_ID]


async def test_a_batch_with_nothing_acceptable_is_answered_400() -> None:
    outbox = FakeOutbox()

    status, body = await post("/v1/interactions", {"interactions": [{}]}, outbox)

    assert (status, body["accepted"], body["rejected"]) == (400, 0, 1)
    assert outbox.facts == []


async def test_more_than_a_thousand_items_are_refused_whole() -> None:
    status, body = await post("/v1/interactions", {"interactions": [{}] * 1_001}, FakeOutbox())

    assert (status, body["error"]["code"]) == (413, "too_many_items")


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (b'{"model":"m","features":{"x":NaN}}', "features: holds a number that is not finite"),
        (
            b'{"model":"m","input":"\\ud83d"}',
            "input: holds a lone surrogate, which is no Unicode text",
        ),
    ],
)
async def test_what_strict_json_forbids_is_the_fault_of_its_item_alone(
    item: bytes, fault: str
) -> None:
    outbox = FakeOutbox()

    status, body = await post(
        "/v1/interactions", b'{"interactions":[{"model":"demo"},' + item + b"]}", outbox
    )

    assert status == 200
    assert body["results"][1] == {"index": 1, "status": "rejected", "faults": [fault]}
    assert len(outbox.facts) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"interactions":{}}', b"\xff", b"[" * 100_000, b'{"interactions":1}'],
)
async def test_a_body_that_is_no_batch_is_answered_400(body: bytes) -> None:
    status, answer = await post("/v1/interactions", body, FakeOutbox())

    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_a_full_outbox_is_answered_503() -> None:
    status, body = await post(
        "/v1/interactions", {"interactions": [{"model": "demo"}]}, FakeOutbox(full=True)
    )

    assert (status, body["error"]["type"]) == (503, "service_unavailable_error")


async def test_a_key_without_the_scope_is_answered_403() -> None:
    live = a_live_view(scopes=["read"])

    status, _ = await post("/v1/interactions", {"interactions": []}, FakeOutbox(), live)

    assert status == 403


async def test_a_large_batch_is_taken_like_a_small_one() -> None:
    outbox = FakeOutbox()
    items = [{"model": "demo", "input": "x" * 200} for _ in range(1_000)]

    status, body = await post("/v1/interactions", {"interactions": items}, outbox)

    assert (status, body["accepted"], len(outbox.facts)) == (200, 1_000, 1_000)


async def test_a_span_is_stored_with_its_attributes_as_text() -> None:
    outbox = FakeOutbox()

    status, body = await post("/v1/spans", {"spans": [A_SPAN]}, outbox)

    assert (status, body["accepted"]) == (200, 1)
    assert SpanEnded.FromString(outbox.facts[0].value) == SpanEnded(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        tenant="acme",
        project="default",
        environment="production",
        name="retrieve",
        kind="internal",
        status="unset",
        started_at_us=micros(NOW),
        ended_at_us=micros(NOW),
        attributes=A_SPAN["attributes"] | {"hits": "3"},
        events='[{"name":"found","attributes":{"n":3}}]',
    )


async def test_a_span_sent_again_has_the_same_event_id() -> None:
    outbox = FakeOutbox()

    await post("/v1/spans", {"spans": [A_SPAN, A_SPAN | {"name": "again"}]}, outbox)

    assert outbox.facts[0].event_id == outbox.facts[1].event_id


@pytest.mark.parametrize(
    ("content", "attributes", "events"),
    [
        (
            "redacted",
            {"input.value": "mail [EMAIL]", "hits": "3", "from": "[EMAIL]"},
            '[{"name":"found","attributes":{"n":3}}]',
        ),
        ("none", {"hits": "3"}, ""),
    ],
)
async def test_the_tenants_policy_holds_for_the_texts_of_a_span(
    content: str, attributes: dict[str, str], events: str
) -> None:
    outbox = FakeOutbox()

    await post("/v1/spans", {"spans": [A_SPAN]}, outbox, a_live_view(content=content))

    span = SpanEnded.FromString(outbox.facts[0].value)
    assert dict(span.attributes) == attributes
    assert span.events == events


async def test_an_old_span_is_kept_and_flagged() -> None:
    outbox = FakeOutbox()
    old = datetime(2026, 1, 1, tzinfo=UTC)
    item = A_SPAN | {
        "started_at": old.isoformat(),
        "ended_at": (old + timedelta(seconds=1)).isoformat(),
    }

    await post("/v1/spans", {"spans": [item]}, outbox)

    assert SpanEnded.FromString(outbox.facts[0].value).time_suspect
