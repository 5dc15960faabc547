"""Builders of facts, records and callers: a valid one each, changed where a test says so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.registry_pb2 import RegistryChanged
from leeway_pb.v1.score_pb2 import InteractionScored
from leeway_pb.v1.span_pb2 import SpanEnded

from shared.clock import micros
from shared.interactions import Content, Context, Interaction, Usage
from shared.live import Caller
from shared.log.record import Fact, Record
from shared.topics import BY_NAME, FEEDBACK_RECEIVED, INTERACTION_COMPLETED, INTERACTION_SCORED

Message = InteractionCompleted | FeedbackReceived | InteractionScored | SpanEnded | RegistryChanged

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
INTERACTION_ID = "0190a6c8-0000-7000-8000-000000000001"
FEEDBACK_ID = "0190a6c8-0000-7000-8000-0000000000f1"


def a_caller(**changes: object) -> Caller:
    """A caller of tenant `acme` with every scope."""
    caller = Caller(
        tenant="acme",
        project="default",
        environment="production",
        key_id="k0000001",
        scopes=frozenset({"serve", "ingest", "feedback", "read", "admin"}),
    )
    return replace(caller, **changes)  # type: ignore[arg-type]


def an_interaction(
    *, input_text: str = "What is two and two?", output_text: str = "Four.", **changes: object
) -> Interaction:
    """A chat that took one second, used 7 + 2 tokens and ended well."""
    interaction = Interaction(
        interaction_id=INTERACTION_ID,
        kind="chat",
        source="serving",
        status="ok",
        request_model="demo",
        response_model="demo-1",
        provider="demo",
        started_at=NOW - timedelta(seconds=1),
        ended_at=NOW,
        finish_reasons=("stop",),
        usage=Usage(
            raw='{"prompt_tokens":7,"completion_tokens":2}',
            dialect="openai",
            input_tokens=7,
            output_tokens=2,
        ),
        content=Content(
            input_messages=f'[{{"role":"user","content":"{input_text}"}}]',
            output_messages=f'[{{"role":"assistant","content":"{output_text}"}}]',
            input_text=input_text,
            output_text=output_text,
        ),
        context=Context(session_id="s1", user_id="u1"),
    )
    return replace(interaction, **changes)  # type: ignore[arg-type]


def an_interaction_completed(**changes: object) -> InteractionCompleted:
    """The message of `interaction.completed.v1` for a good chat of tenant `acme`."""
    message = InteractionCompleted(
        interaction_id=INTERACTION_ID,
        tenant="acme",
        project="default",
        environment="production",
        key_id="k0000001",
        kind="chat",
        source="serving",
        status="ok",
        provider="demo",
        request_model="demo",
        response_model="demo-1",
        started_at_us=micros(NOW) - 1_000_000,
        ended_at_us=micros(NOW),
        finish_reasons=["stop"],
        input_tokens=7,
        output_tokens=2,
        content_policy="full",
        input_text="What is two and two?",
        output_text="Four.",
    )
    message.MergeFrom(InteractionCompleted(**changes))  # type: ignore[arg-type]
    return message


def a_feedback(**changes: object) -> FeedbackReceived:
    """The message of `feedback.received.v1` for a thumb that points up."""
    message = FeedbackReceived(
        feedback_id=FEEDBACK_ID,
        tenant="acme",
        project="default",
        environment="production",
        interaction_id=INTERACTION_ID,
        kind="thumbs",
        label="up",
        rater_kind="user",
        observed_at_us=micros(NOW),
        key_id="k0000001",
    )
    message.MergeFrom(FeedbackReceived(**changes))  # type: ignore[arg-type]
    return message


def a_score(**changes: object) -> InteractionScored:
    """The message of `interaction.scored.v1` for an answer that is no refusal."""
    message = InteractionScored(
        score_id="0190a6c8-0000-5000-8000-0000000000e1",
        tenant="acme",
        project="default",
        environment="production",
        interaction_id=INTERACTION_ID,
        request_model="demo",
        evaluator="refusal",
        evaluator_version="1",
        value=0.0,
        label="none",
        passed=True,
        scored_at_us=micros(NOW),
        started_at_us=micros(NOW) - 1_000_000,
    )
    message.MergeFrom(InteractionScored(**changes))  # type: ignore[arg-type]
    return message


def a_fact(message: Message) -> Fact:
    """The fact of a message, on the topic of its type."""
    topic = next(one for one in BY_NAME.values() if one.message == message.DESCRIPTOR.name)
    ids = {
        INTERACTION_COMPLETED: "interaction_id",
        FEEDBACK_RECEIVED: "feedback_id",
        INTERACTION_SCORED: "score_id",
    }
    event_id = str(getattr(message, ids[topic])) if topic in ids else INTERACTION_ID
    return Fact(topic, message.tenant, event_id, message.SerializeToString())


def a_record(fact: Fact, *, seq: int = 1, **changes: object) -> Record:
    """The fact as the log holds it, at place `seq` of its lane."""
    record = Record(
        source="edge.db",
        offset=seq,
        topic=fact.topic.name,
        partition=fact.topic.partition(fact.key),
        producer="edge",
        epoch="e1",
        seq=seq,
        key=fact.key,
        event_id=fact.event_id,
        accepted_at_us=micros(NOW),
        value=fact.value,
    )
    return replace(record, **changes)  # type: ignore[arg-type]
