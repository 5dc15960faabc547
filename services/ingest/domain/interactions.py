"""An interaction as an SDK tells it: read whole, with every fault at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.domain.messages import Message, answer, messages_of, question
from services.ingest.domain.spans import hex_id
from services.ingest.domain.usage import read_usage
from shared.fields import MAX_COORDINATE, Fields, kind_of
from shared.interactions import Content, Context, Interaction, Usage

KINDS = ("chat", "completion", "response", "message", "embedding", "predict")
STATUSES = ("ok", "error", "interrupted", "cancelled")
MAX_ERROR = 16_384
MAX_DIMENSIONS = 8_192


@dataclass(frozen=True, slots=True)
class _Times:
    started_at: datetime
    ended_at: datetime
    first_token_at: datetime | None


def read_interaction(item: Fields, *, fresh_id: str, now: datetime) -> Interaction:
    """The interaction in an item of POST /v1/interactions; it is void when `item` has faults.

    `fresh_id` is its id when the item brings none. Without times it happened now.
    """
    kind = item.choice("kind", KINDS, "chat")
    error = item.child("error")
    times = _times(item, now)
    decision = item.text("decision", required=kind == "predict")
    return Interaction(
        interaction_id=item.uuid("id") or fresh_id,
        kind=kind,
        source="sdk",
        status=item.choice("status", STATUSES, "error" if item.has("error") else "ok"),
        request_model=item.text("model", required=True),
        started_at=times.started_at,
        ended_at=times.ended_at,
        provider=item.text("provider"),
        response_model=item.text("response_model"),
        streaming=item.flag("streaming"),
        first_token_at=times.first_token_at,
        error_type=error.text("type"),
        error_message=error.text("message", limit=MAX_ERROR),
        http_status=error.count("status", high=599) or 0,
        finish_reasons=item.texts("finish_reasons", at_most=128),
        decision=decision,
        decision_score=item.number("decision_score"),
        usage=_usage(item),
        content=_content(item),
        context=_context(item),
    )


def _times(item: Fields, now: datetime) -> _Times:
    started, ended = item.time("started_at"), item.time("ended_at")
    first_token = item.time("first_token_at")
    begin = started or ended or now
    end = ended or begin
    if end < begin:
        item.fault("ended_at", "lies before started_at")
    if first_token is not None and not begin <= first_token <= end:
        item.fault("first_token_at", "lies outside of started_at to ended_at")
    return _Times(begin, end, first_token)


def _usage(item: Fields) -> Usage:
    raw = item.json("usage")
    dialect = item.text("usage_dialect") or "openai"
    usage = item.raw("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    if not raw:
        return Usage()
    return read_usage(
        raw,
        dialect,
        provider=item.text("provider"),
        model=item.text("model"),
        service_tier=tier if isinstance(tier, str) else "",
    )


def _content(item: Fields) -> Content:
    asked = _messages(item, "input", "user")
    said = _messages(item, "output", "assistant")
    return Content(
        input_messages=item.encoded("input", asked) if asked else "",
        output_messages=item.encoded("output", said) if said else "",
        input_text=question(asked),
        output_text=answer(said),
        options=item.json("options"),
        features=item.json("features"),
        embedding=item.numbers("embedding", at_most=MAX_DIMENSIONS, largest=MAX_COORDINATE),
    )


def _messages(item: Fields, name: str, role: str) -> Sequence[Message]:
    value = item.raw(name)
    if value is None:
        return ()
    messages = messages_of(value, role)
    if messages is None:
        item.fault(name, f"expected a string or a list of messages, got {kind_of(value)}")
    return messages or ()


def _context(item: Fields) -> Context:
    prompt = item.child("prompt")
    return Context(
        session_id=item.text("session_id"),
        user_id=item.text("user_id"),
        trace_id=hex_id(item, "trace_id", 32),
        span_id=hex_id(item, "span_id", 16),
        parent_span_id=hex_id(item, "parent_span_id", 16),
        prompt_name=prompt.text("name"),
        prompt_version=prompt.text("version"),
        environment=item.text("environment"),
        tags=item.tags("tags"),
    )
