"""Record: the same interactions as over HTTP, told in protobuf."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from leeway_pb.v1.ingest_rpc_pb2 import (
    CallError,
    InteractionDraft,
    PromptUsed,
    RecordReply,
    RecordRequest,
    Verdict,
)

from services.ingest.drafts import record_reply
from services.ingest.stream import Intake
from shared.batches import Draft, Refused
from shared.clock import SimulatedClock, micros
from shared.errors import Invalid
from tests.builders import INTERACTION_ID, NOW, a_caller
from tests.doors import a_live_view
from tests.fakes import FakeOutbox

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Two and two?"}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "service_tier": "default"}

ITEM: dict[str, Any] = {
    "id": INTERACTION_ID,
    "kind": "chat",
    "status": "error",
    "model": "demo",
    "provider": "openai",
    "response_model": "demo-1",
    "started_at": "2026-11-24T07:59:58.000001Z",
    "ended_at": "2026-11-24T07:59:59.999999Z",
    "first_token_at": "2026-11-24T07:59:59.250001Z",
    "streaming": True,
    "input": MESSAGES,
    "output": "Four.",
    "options": {"temperature": 0},
    "usage": USAGE,
    "usage_dialect": "openai",
    "finish_reasons": ["stop"],
    "error": {"type": "overloaded", "message": "Later.", "status": 529},
    "session_id": "s1",
    "user_id": "u1",
    "trace_id": TRACE_ID,
    "span_id": SPAN_ID,
    "parent_span_id": "00f067aa0ba902b8",
    "prompt": {"name": "adder", "version": "3"},
    "environment": "staging",
    "tags": {"team": "maths"},
    "embedding": [0.5, -1],
    "decision": "four",
    "decision_score": 0.0,
    "features": {"age": 4},
}
DRAFT = InteractionDraft(
    id=INTERACTION_ID,
    kind="chat",
    status="error",
    model="demo",
    provider="openai",
    response_model="demo-1",
    started_at_us=micros(NOW) - 1_999_999,
    ended_at_us=micros(NOW) - 1,
    first_token_at_us=micros(NOW) - 749_999,
    streaming=True,
    input_messages=json.dumps(MESSAGES),
    output="Four.",
    options='{"temperature": 0}',
    usage=json.dumps(USAGE),
    usage_dialect="openai",
    finish_reasons=["stop"],
    error=CallError(type="overloaded", message="Later.", status=529),
    session_id="s1",
    user_id="u1",
    trace_id=TRACE_ID,
    span_id=SPAN_ID,
    parent_span_id="00f067aa0ba902b8",
    prompt=PromptUsed(name="adder", version="3"),
    environment="staging",
    tags={"team": "maths"},
    embedding=[0.5, -1],
    decision="four",
    decision_score=0.0,
    features='{"age": 4}',
)


class Doors:
    """The intake behind both doors, and what it stored."""

    def __init__(self) -> None:
        self.outbox = FakeOutbox()
        self._intake = Intake(self.outbox, a_live_view(), SimulatedClock(NOW))

    async def http(self, *items: dict[str, Any]) -> Sequence[Draft | Refused]:
        body = json.dumps({"interactions": items}).encode()
        return await self._intake.interactions(a_caller(), body)

    async def grpc(self, *drafts: InteractionDraft) -> Sequence[Draft | Refused]:
        return await self._intake.record(a_caller(), RecordRequest(interactions=drafts))


@pytest.mark.parametrize(
    ("item", "draft"),
    [
        (ITEM, DRAFT),
        (
            {"id": INTERACTION_ID, "model": "demo"},
            InteractionDraft(id=INTERACTION_ID, model="demo"),
        ),
        (
            {"id": INTERACTION_ID, "model": "demo", "input": "Two?", "output": MESSAGES},
            InteractionDraft(
                id=INTERACTION_ID, model="demo", input="Two?", output_messages=json.dumps(MESSAGES)
            ),
        ),
    ],
)
async def test_an_interaction_is_the_same_fact_through_either_door(
    item: dict[str, Any], draft: InteractionDraft
) -> None:
    doors = Doors()

    over_http, over_grpc = await doors.http(item), await doors.grpc(draft)

    assert over_http == over_grpc
    assert isinstance(over_http[0], Draft)
    assert over_http[0].ignored == ()
    assert len(doors.outbox.facts) == 1


async def test_a_draft_without_an_id_is_given_one() -> None:
    doors = Doors()

    (stored,) = await doors.grpc(InteractionDraft(model="demo"))

    assert isinstance(stored, Draft)
    assert record_reply([stored]).verdicts[0].id == doors.outbox.facts[0].event_id != ""


async def test_each_draft_gets_its_own_verdict_with_every_fault() -> None:
    doors = Doors()

    stored = await doors.grpc(
        InteractionDraft(id=INTERACTION_ID, model="demo"),
        InteractionDraft(usage="{", options="[]", kind="dream"),
    )

    assert record_reply(stored) == RecordReply(
        accepted=1,
        rejected=1,
        verdicts=[
            Verdict(id=INTERACTION_ID),
            Verdict(
                faults=[
                    (
                        "kind: expected one of chat, completion, response, message, embedding, predict, "
                        "got 'dream'"
                    ),
                    "model: is required",
                    "usage: expected an object, got a string",
                    "options: expected an object, got a list",
                ]
            ),
        ],
    )
    assert [fact.event_id for fact in doors.outbox.facts] == [INTERACTION_ID]


async def test_a_draft_whose_id_has_other_content_is_refused() -> None:
    doors = Doors()
    await doors.http({"id": INTERACTION_ID, "model": "demo"})

    stored = await doors.grpc(
        InteractionDraft(id=INTERACTION_ID, model="other"), InteractionDraft(model="demo")
    )

    reply = record_reply(stored)
    assert (reply.accepted, reply.rejected) == (1, 1)
    assert reply.verdicts[0] == Verdict(
        faults=[
            "id: was accepted before with other content, which stays; send this under another id"
        ]
    )
    assert len(doors.outbox.facts) == 2


async def test_more_than_a_thousand_drafts_are_refused_as_a_whole() -> None:
    doors = Doors()

    with pytest.raises(Invalid, match="holds 1001 items: at most 1000 in one request"):
        await doors.grpc(*[InteractionDraft(model="demo")] * 1_001)

    assert doors.outbox.facts == []
