"""The SDK's doors: verdicts, statuses, policies, and what an outbox that is full means."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.span_pb2 import SpanEnded

from services.ingest.app import build
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.batches import Draft
from shared.clock import SimulatedClock, micros
from shared.live import LiveView
from tests.builders import INTERACTION_ID, NOW, a_caller
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
    assert [fact.event_id for fact in outbox.facts] == [INTERACTION_ID]


@pytest.mark.parametrize(
    ("path", "name", "item"),
    [
        ("/v1/interactions", "interactions", {"model": "demo"}),
        ("/v1/spans", "spans", A_SPAN),
    ],
)
async def test_an_environment_that_is_not_registered_is_refused_with_those_that_are(
    path: str, name: str, item: dict[str, Any]
) -> None:
    outbox = FakeOutbox()
    items = [{**item, "environment": "staging"}, {**item, "environment": "prod"}]

    _, body = await post(path, {name: items}, outbox)

    assert (body["accepted"], len(outbox.facts)) == (1, 1)
    assert body["results"][1]["faults"] == [
        "environment: expected one of production, qa, staging, got 'prod'"
    ]


async def test_an_item_whose_id_has_other_content_is_a_conflict_and_the_others_are_stored() -> None:
    outbox = FakeOutbox()
    first = {"id": INTERACTION_ID, "model": "demo", "input": "Two and two?"}
    await post("/v1/interactions", {"interactions": [first]}, outbox)

    status, body = await post(
        "/v1/interactions",
        {"interactions": [first | {"input": "Three?"}, {"model": "demo"}, first]},
        outbox,
    )

    assert (status, body["accepted"], body["rejected"]) == (200, 2, 1)
    assert body["results"][0] == {
        "id": INTERACTION_ID,
        "status": "conflict",
        "faults": [
            "id: was accepted before with other content, which stays; send this under another id"
        ],
    }
    assert body["results"][2] == {"id": INTERACTION_ID, "status": "accepted"}
    assert [InteractionCompleted.FromString(fact.value).input_text for fact in outbox.facts] == [
        "Two and two?",
        "",
    ]


@pytest.mark.parametrize(
    "again",
    [
        {"model": "demo", "id": INTERACTION_ID, "tags": {"b": "2", "a": "1"}},
        {"id": INTERACTION_ID.upper(), "model": "demo", "tags": {"a": "1", "b": "2"}},
        {"id": INTERACTION_ID, "model": "demo", "tags": {"a": "1", "b": "2"}, "colour": "red"},
        {"id": INTERACTION_ID, "model": "demo", "tags": {"a": "1", "b": "2"}, "session_id": None},
    ],
)
async def test_the_same_said_in_another_form_is_a_repeat_at_any_time(again: dict[str, Any]) -> None:
    outbox = FakeOutbox()
    clock = SimulatedClock(NOW)
    intake = Intake(outbox, a_live_view(), clock)
    first = {"id": INTERACTION_ID, "model": "demo", "tags": {"a": "1", "b": "2"}}

    await intake.interactions(a_caller(), json.dumps({"interactions": [first]}).encode())
    clock.advance(60)
    (stored,) = await intake.interactions(
        a_caller(), json.dumps({"interactions": [again]}).encode()
    )

    assert isinstance(stored, Draft)
    assert len(outbox.facts) == 1


async def test_times_are_the_same_in_either_notation_and_other_times_are_other_content() -> None:
    outbox = FakeOutbox()
    item = {"id": INTERACTION_ID, "model": "demo", "started_at": "2026-11-24T08:00:00+01:00"}
    same, other = item | {"started_at": 1795503600}, item | {"started_at": 1795503601.5}

    _, body = await post("/v1/interactions", {"interactions": [item, same, other]}, outbox)

    assert [result["status"] for result in body["results"]] == ["accepted", "accepted", "conflict"]


async def test_a_batch_of_nothing_but_conflicts_is_answered_409() -> None:
    outbox = FakeOutbox()
    item = {"id": INTERACTION_ID, "model": "demo"}
    await post("/v1/interactions", {"interactions": [item]}, outbox)

    alone, _ = await post("/v1/interactions", {"interactions": [item | {"model": "m"}]}, outbox)
    faulty, _ = await post("/v1/interactions", {"interactions": [item | {"model": "m"}, 7]}, outbox)

    assert (alone, faulty) == (409, 400)


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


async def test_a_span_sent_again_is_a_repeat_and_with_other_content_a_conflict() -> None:
    outbox = FakeOutbox()

    _, body = await post("/v1/spans", {"spans": [A_SPAN, A_SPAN, A_SPAN | {"name": "x"}]}, outbox)

    assert [result["status"] for result in body["results"]] == ["accepted", "accepted", "conflict"]
    assert len({result["id"] for result in body["results"]}) == 1
    assert len(outbox.facts) == 1


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
