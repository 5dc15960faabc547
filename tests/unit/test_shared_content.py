"""Content policies: nothing that people or models wrote is stored where the tenant forbids it."""

import json
from typing import Any

import pytest

from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.span_pb2 import SpanEnded

from services.drift.signals import Asked, asked, failure
from services.evaluation.app import every_evaluator
from services.evaluation.domain import rates_of
from services.evaluation.stream import EvaluationHandler
from services.feedback.app import build as build_feedback
from services.feedback.settings import Settings as FeedbackSettings
from services.ingest.app import build as build_ingest
from services.ingest.settings import Settings as IngestSettings
from shared.clock import SimulatedClock
from shared.content import (
    hashed,
    kept_embedding,
    kept_name,
    kept_options,
    kept_tags,
    kept_text,
    kept_usage,
)
from shared.lifecycle import App
from shared.pii.nested import redact_nested
from tests.builders import INTERACTION_ID, NOW, a_record
from tests.doors import a_client, a_host, a_live_view
from tests.exports import CHAT, a_span, an_event, an_export
from tests.fakes import FakeOutbox

CANARY = "the canary sings"
MAIL = "canary@example.org"
SAID = f"{CANARY} to {MAIL}"
ESCAPED = json.dumps({"to": SAID}).replace("@", "\\u0040")

AN_INTERACTION: dict[str, Any] = {
    "id": INTERACTION_ID,
    "kind": "predict",
    "model": "demo",
    "input": [{"role": "user", "content": SAID, "tool_calls": [{"arguments": ESCAPED}]}],
    "output": SAID,
    "decision": SAID,
    "features": {SAID: SAID, "nested": [{"n": SAID}]},
    "error": {"type": "ValueError", "message": SAID},
    "options": {
        "temperature": 0.5,
        "user": SAID,
        "stop": [SAID],
        "tools": [{"function": {"name": "f", "description": SAID}}],
        "response_format": {"json_schema": {"description": SAID}},
        "metadata": {"k": SAID},
        SAID: True,
    },
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "note": SAID, SAID: 1},
    "tags": {"team": SAID},
    "embedding": [0.5, 1.0],
    "session_id": "s-1",
    "user_id": MAIL,
}
A_SPAN: dict[str, Any] = {
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
    "name": "retrieve",
    "started_at": NOW.isoformat(),
    "ended_at": NOW.isoformat(),
    "status": "error",
    "status_message": SAID,
    "user_id": MAIL,
    "attributes": {
        "anything": SAID,
        "http.route": SAID,
        "url.full": SAID,
        "list": [SAID],
        "hits": 3,
        "http.request.method": "GET",
    },
    "events": [{"name": "found", "attributes": {"text": SAID, SAID: 1}}],
}
AN_EXPORT = an_export(
    a_span(
        {
            **CHAT,
            "gen_ai.input.messages": json.dumps([{"role": "user", "content": SAID}]),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": SAID}]),
            "gen_ai.system_instructions": SAID,
            "gen_ai.tool.definitions": json.dumps([{"name": "f", "description": SAID}]),
            "gen_ai.request.stop_sequences": [SAID],
            "gen_ai.usage.note": SAID,
            "traceloop.association.properties.topic": SAID,
            "user.id": MAIL,
        },
        status={"code": 2, "message": SAID},
    ),
    a_span(
        {"input.value": SAID, "retrieval.documents.0.document.content": SAID, "tag.tags": [SAID]},
        spanId="00f067aa0ba902b8",
        status={"code": 2, "message": SAID},
        events=[
            an_event("gen_ai.user.message", {"content": SAID}),
            an_event("exception", {"exception.message": SAID, "exception.stacktrace": SAID}),
        ],
    ),
)
FEEDBACK: list[dict[str, Any]] = [
    {"interaction_id": INTERACTION_ID, "kind": "comment", "text": SAID, "tags": {"team": SAID}},
    {"interaction_id": INTERACTION_ID, "kind": "correction", "text": SAID},
    {
        "interaction_id": INTERACTION_ID,
        "kind": "outcome",
        "name": "readmitted",
        "label": SAID,
        "observed_at": NOW.isoformat(),
        "rater": {"id": MAIL},
    },
]
BODIES: dict[str, object] = {
    "/v1/interactions": {"interactions": [AN_INTERACTION]},
    "/v1/spans": {"spans": [A_SPAN]},
    "/v1/traces": AN_EXPORT,
    "/v1/feedback": {"feedback": FEEDBACK},
}


async def stored(path: str, content: str | None) -> list[bytes]:
    """The bytes that a door stores under a policy; None: the tenant's fact has not come yet."""
    live = a_live_view(content=content or "full")
    if content is None:
        live.content_policies.clear()
    outbox = FakeOutbox()
    async with a_client(_app(path, a_host(outbox, live))) as client:
        response = await client.post(path, json=BODIES[path])
    assert response.status_code == 200, response.text
    assert response.json().get("rejected", 0) == 0, response.text
    return [fact.value for fact in outbox.facts]


def _app(path: str, host: Any) -> App:
    if path == "/v1/feedback":
        return build_feedback(FeedbackSettings(), host)
    return build_ingest(IngestSettings(), host)


@pytest.mark.parametrize("path", BODIES)
async def test_everything_is_stored_under_full(path: str) -> None:
    for value in await stored(path, "full"):
        assert CANARY.encode() in value


@pytest.mark.parametrize("content", ["none", "hash", "a policy of tomorrow", None])
@pytest.mark.parametrize("path", BODIES)
async def test_no_text_is_stored_where_none_may_be(path: str, content: str | None) -> None:
    for value in await stored(path, content):
        assert b"canary" not in value
        assert b"sings" not in value


@pytest.mark.parametrize("path", BODIES)
async def test_no_personal_data_is_stored_where_it_is_redacted(path: str) -> None:
    values = await stored(path, "redacted")

    for value in values:
        assert b"example.org" not in value
    assert all(CANARY.encode() in value for value in values)


async def test_what_is_priced_and_counted_is_kept_under_none() -> None:
    [value] = await stored("/v1/interactions", "none")

    told = InteractionCompleted.FromString(value)
    assert (told.request_options, json.loads(told.usage_json)) == (
        '{"temperature":0.5}',
        {"prompt_tokens": 7, "completion_tokens": 2, "note": ""},
    )
    assert (told.session_id, told.user_id, told.error_type) == ("s-1", "", "ValueError")
    assert (told.content_policy, dict(told.tags), list(told.embedding)) == ("none", {}, [])


async def test_what_is_alike_can_be_told_to_be_under_hash() -> None:
    [value] = await stored("/v1/interactions", "hash")

    told = InteractionCompleted.FromString(value)
    assert (told.decision, dict(told.tags)) == (hashed(SAID), {"team": hashed(SAID)})
    assert told.user_id == hashed(MAIL)
    assert json.loads(told.request_options)["temperature"] == 0.5


async def test_redacted_json_is_still_json() -> None:
    [value] = await stored("/v1/interactions", "redacted")

    told = InteractionCompleted.FromString(value)
    [message] = json.loads(told.input_messages)
    assert json.loads(message["tool_calls"][0]["arguments"]) == {"to": f"{CANARY} to [EMAIL]"}
    assert json.loads(told.request_options)["user"] == f"{CANARY} to [EMAIL]"
    assert told.user_id == "[EMAIL]"


@pytest.mark.parametrize(
    ("content", "attributes"),
    [
        ("none", {"hits": "3", "http.request.method": "GET"}),
        (
            "hash",
            {
                "anything": hashed(SAID),
                "http.route": hashed(SAID),
                "url.full": hashed(SAID),
                "list": hashed(f'["{SAID}"]'),
                "hits": "3",
                "http.request.method": "GET",
            },
        ),
    ],
)
async def test_numbers_and_names_of_a_span_are_kept(
    content: str, attributes: dict[str, str]
) -> None:
    [value] = await stored("/v1/spans", content)

    assert dict(SpanEnded.FromString(value).attributes) == attributes


async def test_the_fixed_labels_of_feedback_are_kept_under_every_policy() -> None:
    outbox = FakeOutbox()
    thumb = {"interaction_id": INTERACTION_ID, "kind": "thumbs", "label": "down"}
    host = a_host(outbox, a_live_view(content="none"))
    async with a_client(build_feedback(FeedbackSettings(), host)) as client:
        await client.post("/v1/feedback", json=thumb)

    assert FeedbackReceived.FromString(outbox.facts[0].value).label == "down"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (MAIL, "[EMAIL]"),
        ('{"a":"canary\\u0040example.org","b":1.50}', '{"a":"[EMAIL]","b":1.5}'),
        ('{"card":4111111111111111}', '{"card":"[CARD]"}'),
        ('{"canary@example.org":[true,null]}', '{"[EMAIL]":[true,null]}'),
        ('{"url":"data:image/png;base64,AAAA"}', '{"url":"[DATA]"}'),
        ("A" * 600, "[DATA]"),
        ('{"kept" : 1.50}', '{"kept" : 1.50}'),
        ("{not json, canary@example.org", "{not json, [EMAIL]"),
        ("[" * 900 + "]" * 900, None),
    ],
)
def test_personal_data_is_found_however_it_is_written(text: str, clean: str | None) -> None:
    found = redact_nested(text)

    assert found == clean if clean is not None else '"[DEEP]"' in found


def test_a_policy_of_no_known_name_stores_no_text() -> None:
    assert kept_text("a", "tomorrow") == ""
    assert kept_name(MAIL, "tomorrow") == ""
    assert kept_tags({"a": "b"}, "tomorrow") == {}
    assert kept_options('{"user":"a"}', "tomorrow") == ""
    assert kept_embedding((0.5,), "tomorrow") == ()


@pytest.mark.parametrize("policy", ["redacted", "hash", "none"])
def test_ids_that_machines_made_are_kept_whatever_their_digits_look_like(policy: str) -> None:
    made = "0190a6c8-4111-4111-8111-411111111111"

    assert kept_name(made, policy) == made


def test_the_usage_is_kept_to_the_byte_when_it_holds_no_text() -> None:
    gemini = '{"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}], "x": 1e2}'

    assert kept_usage(gemini, "none") == gemini
    assert kept_usage('{"a":' * 100 + "1" + "}" * 100, "none") != ""
    assert kept_usage("no json", "none") == ""


@pytest.mark.parametrize(
    ("content", "vector", "text", "judged"),
    [
        ("full", (0.5, 1.0), SAID, True),
        ("redacted", (), f"{CANARY} to [EMAIL]", True),
        ("hash", (), "", False),
        ("none", (), "", False),
    ],
)
async def test_drift_and_evaluation_see_what_is_stored(
    content: str, vector: tuple[float, ...], text: str, judged: bool
) -> None:
    outbox = FakeOutbox()
    chat = AN_INTERACTION | {"kind": "chat", "status": "ok"}
    host = a_host(outbox, a_live_view(content=content))
    async with a_client(build_ingest(IngestSettings(), host)) as client:
        await client.post("/v1/interactions", json={"interactions": [chat]})
    [fact] = outbox.facts

    effect = await a_judge().handle([a_record(fact)])

    told = InteractionCompleted.FromString(fact.value)
    assert asked(told) == Asked(vector, text)
    assert failure(told, fact.event_id) is not None
    assert bool(effect.facts) is judged


def a_judge() -> EvaluationHandler:
    evaluators = every_evaluator()
    return EvaluationHandler(evaluators, rates_of(evaluators, {}, 1.0), SimulatedClock(NOW))
