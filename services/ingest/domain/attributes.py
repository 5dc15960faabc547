"""What a span says, under a tenant's content policy: instrumentations put texts where they like."""

import re
from collections.abc import Mapping
from dataclasses import replace

import orjson

from services.ingest.domain.spans import Span
from shared.content import FULL, HASH, REDACTED, hashed, kept_name, kept_text

# Attributes whose values are names, by the conventions of OpenTelemetry, OpenLLMetry, OpenInference and the AI SDK.
# Under `hash` and `none` every other value that is no number is taken for a text.
_NAMES = frozenset(
    {
        *("ai.model.id", "ai.model.provider", "ai.operationId", "ai.toolCall.id"),
        *("ai.toolCall.name", "operation.name"),
        *("code.function.name", "db.collection.name", "db.namespace", "db.operation"),
        *("db.operation.name", "db.system", "db.system.name", "embedding.model_name"),
        *("enduser.id", "error.type", "exception.type", "gen_ai.agent.id", "gen_ai.agent.name"),
        *("gen_ai.conversation.id", "gen_ai.operation.name", "gen_ai.output.type"),
        *("gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.id"),
        *("gen_ai.response.model", "gen_ai.system", "gen_ai.token.type", "gen_ai.tool.call.id"),
        *("gen_ai.tool.name", "gen_ai.tool.type", "http.method", "http.request.method"),
        *("http.route", "llm.model_name", "llm.provider", "llm.request.type", "llm.system"),
        *("messaging.operation.type", "messaging.system", "network.protocol.name"),
        *("openinference.span.kind", "rpc.method", "rpc.service", "rpc.system", "server.address"),
        *("service.name", "service.version", "session.id", "traceloop.entity.name"),
        *("traceloop.span.kind", "traceloop.workflow.name", "url.scheme", "user.id"),
    }
)
# A name has no blanks: a sentence in the place of a name is a text.
_WORD = re.compile(r"[!-~]{1,128}")


def span_kept(span: Span, policy: str) -> Span:
    """The span as the policy lets it be stored, but for its attributes and events."""
    return replace(
        span,
        name=kept_name(span.name, policy),
        status_message=kept_text(span.status_message, policy),
        service_name=kept_name(span.service_name, policy),
        session_id=kept_name(span.session_id, policy),
        user_id=kept_name(span.user_id, policy),
        environment=kept_name(span.environment, policy),
    )


def attributes_kept(span: Span, policy: str) -> Mapping[str, str]:
    """The attributes of a span as texts, as the policy lets them be stored."""
    kept = {
        kept_name(name, policy): _kept(name, value, policy)
        for name, value in span.attributes.items()
    }
    return {name: text for name, text in kept.items() if text is not None}


def events_kept(span: Span, policy: str) -> str:
    """The events of a span as JSON, as the policy lets it be stored."""
    return kept_text(orjson.dumps(span.events).decode(), policy) if span.events else ""


def _kept(name: str, value: object, policy: str) -> str | None:
    """A value's text, or None where it is left out."""
    text = _written(value)
    if policy in (FULL, REDACTED):
        return kept_text(text, policy)
    if isinstance(value, bool | int | float) or (name in _NAMES and _WORD.fullmatch(text)):
        return kept_name(text, policy)
    return hashed(text) if policy == HASH else None


def _written(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
