"""The one builder of `interaction.completed.v1`: two doors, serving and ingest, one shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from google.protobuf.message import EncodeError

from leeway_pb.v1.interaction_pb2 import Attempt, InteractionCompleted

from shared.clock import micros
from shared.content import (
    kept_embedding,
    kept_name,
    kept_options,
    kept_tags,
    kept_text,
    kept_usage,
)
from shared.errors import Unavailable
from shared.live import Caller
from shared.log.record import Fact
from shared.prices.exact import decimal_text
from shared.topics import INTERACTION_COMPLETED

SUSPECT_PAST = timedelta(days=35)
SUSPECT_FUTURE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class AttemptMade:
    """One try at one upstream: `key` is a fingerprint of the provider's key, `cost_usd` None when not known."""

    provider: str
    model: str
    started_at: datetime
    ended_at: datetime
    status: str
    http_status: int = 0
    error_type: str = ""
    cost_usd: Decimal | None = None
    key: str = ""
    hedged: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider says was used: `raw` verbatim JSON in its `dialect`, and the common totals.

    `input_tokens` counts every token read, cached ones included; None means not reported.
    """

    raw: str = ""
    dialect: str = ""
    service_tier: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The texts of an interaction; `*_messages`, `options` and `features` are JSON."""

    input_messages: str = ""
    output_messages: str = ""
    input_text: str = ""
    output_text: str = ""
    options: str = ""
    features: str = ""
    embedding: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What the caller says the interaction belongs to."""

    session_id: str = ""
    user_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    environment: str = ""  # empty: the key's
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One call to a model, or one decision of a classical model, ended."""

    interaction_id: str
    kind: str
    source: str
    status: str
    request_model: str
    started_at: datetime
    ended_at: datetime
    provider: str = ""
    response_model: str = ""
    streaming: bool = False
    first_token_at: datetime | None = None
    error_type: str = ""
    error_message: str = ""
    http_status: int = 0
    finish_reasons: Sequence[str] = ()
    decision: str = ""
    decision_score: float | None = None
    usage: Usage = Usage()
    content: Content = Content()
    context: Context = Context()
    attempts: Sequence[AttemptMade] = ()
    cache: str = ""  # exact, semantic: answered from there
    cache_saved_usd: Decimal | None = None


def time_suspect(at: datetime, now: datetime) -> bool:
    """Whether a fact's own time is too far from now to be trusted: it is kept, and flagged."""
    return at < now - SUSPECT_PAST or at > now + SUSPECT_FUTURE


def interaction_fact(item: Interaction, caller: Caller, policy: str, now: datetime) -> Fact:
    """The fact of an interaction: tenant, project and key from the caller, the rest by the tenant's policy.

    `shared/content.py` says what each policy keeps; models, providers and statuses are always kept.
    Raises `Unavailable` when the process has no memory for it.
    """
    message = InteractionCompleted(
        interaction_id=item.interaction_id,
        tenant=caller.tenant,
        project=caller.project,
        environment=kept_name(item.context.environment, policy) or caller.environment,
        key_id=caller.key_id,
        kind=item.kind,
        source=item.source,
        status=item.status,
        error_type=kept_name(item.error_type, policy),
        error_message=kept_text(item.error_message, policy),
        http_status=item.http_status,
        provider=item.provider,
        request_model=item.request_model,
        response_model=item.response_model,
        streaming=item.streaming,
        started_at_us=micros(item.started_at),
        ended_at_us=micros(item.ended_at),
        finish_reasons=[kept_name(reason, policy) for reason in item.finish_reasons],
        decision=kept_text(item.decision, policy),
        decision_score=item.decision_score,
        content_policy=policy,
        time_suspect=time_suspect(item.started_at, now),
        cache=item.cache,
        cache_saved_usd=_told(item.cache_saved_usd),
    )
    if item.first_token_at is not None:
        message.first_token_at_us = micros(item.first_token_at)
    _put_usage(message, item.usage, policy)
    _put_context(message, item.context, policy)
    _put_content(message, item.content, policy)
    message.attempts.extend(_attempt(attempt) for attempt in item.attempts)
    return Fact(
        topic=INTERACTION_COMPLETED,
        key=caller.tenant,
        event_id=item.interaction_id,
        value=_serialized(message),
    )


def _serialized(message: InteractionCompleted) -> bytes:
    try:
        return message.SerializeToString()
    except EncodeError as fault:  # of a message whose every field was checked: no memory is left
        raise Unavailable("There is no memory left to record the interaction.") from fault


def _put_usage(message: InteractionCompleted, usage: Usage, policy: str) -> None:
    message.usage_json = kept_usage(usage.raw, policy)
    message.usage_dialect = usage.dialect
    message.service_tier = usage.service_tier
    for name in (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    ):
        count = getattr(usage, name)
        if count is not None:
            setattr(message, name, count)


def _put_context(message: InteractionCompleted, context: Context, policy: str) -> None:
    message.trace_id = context.trace_id
    message.span_id = context.span_id
    message.parent_span_id = context.parent_span_id
    message.tags.update(kept_tags(context.tags, policy))
    for name in ("session_id", "user_id", "prompt_name", "prompt_version"):
        setattr(message, name, kept_name(getattr(context, name), policy))


def _put_content(message: InteractionCompleted, content: Content, policy: str) -> None:
    message.embedding.extend(kept_embedding(content.embedding, policy))
    message.request_options = kept_options(content.options, policy)
    for name in ("input_messages", "output_messages", "input_text", "output_text", "features"):
        setattr(message, name, kept_text(getattr(content, name), policy))


def _attempt(attempt: AttemptMade) -> Attempt:
    return Attempt(
        provider=attempt.provider,
        model=attempt.model,
        started_at_us=micros(attempt.started_at),
        ended_at_us=micros(attempt.ended_at),
        status=attempt.status,
        http_status=attempt.http_status,
        error_type=attempt.error_type,
        cost_usd=_told(attempt.cost_usd),
        key=attempt.key,
        hedged=attempt.hedged,
    )


def _told(amount: Decimal | None) -> str:
    return "" if amount is None else decimal_text(amount)
