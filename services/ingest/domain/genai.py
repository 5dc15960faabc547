"""A span of a model call, as the OpenTelemetry GenAI conventions tell it, read as an interaction.

The conventions: https://github.com/open-telemetry/semantic-conventions-genai (in development, so
names that were current before are read too), with those of OpenLLMetry, OpenInference and the AI SDK.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import orjson

from services.ingest.domain.conversation import Conversation, conversation_of, parsed
from services.ingest.domain.messages import answer, question
from services.ingest.domain.operations import USAGE_PREFIXES, call_kind
from services.ingest.domain.spans import Span
from services.ingest.domain.usage import read_usage
from shared.fields import MAX_NAME, MAX_TAGS
from shared.interactions import Content, Context, Interaction, Usage

_MODEL_NAMES = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
    "ai.model.id",
)
_RESPONSE_MODEL_NAMES = ("gen_ai.response.model", "llm.response.model_name", "ai.response.model")
_PROVIDER_NAMES = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
# The AI SDK names a provider and its interface, like openai.chat; these providers by names of its own.
_AI_SDK_PROVIDERS: Mapping[str, str] = {
    "amazon-bedrock": "aws.bedrock",
    "azure-openai": "azure",
    "togetherai": "together",
}
_SERVED_TIER_NAMES = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_ASKED_TIER_NAMES = ("openai.request.service_tier", "gen_ai.openai.request.service_tier")
_SESSION_NAMES = (
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
)
_USER_NAMES = (
    "user.id",
    "enduser.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
_REQUEST = "gen_ai.request."
_RENAMED = {"choice.count": "n", "stop_sequences": "stop"}
_NOT_OPTIONS = frozenset({"model", "stream", "is_stream"})
_ASSOCIATIONS = ("traceloop.association.properties.", "ai.telemetry.metadata.")
_FIRST_TOKEN_NAMES: Mapping[str, int] = {
    "gen_ai.response.time_to_first_chunk": 1,
    "ai.response.msToFirstChunk": 1_000,
    "ai.stream.msToFirstChunk": 1_000,
}
_FINISH_NAMES = ("llm.finish_reason", "ai.response.finishReason", "ai.finishReason")
_HTTP_STATUS = re.compile(r"[1-5][0-9]{2}")


def model_call(span: Span, interaction_id: str) -> Interaction | None:
    """The interaction of a span that calls a model and names it; None for every other span."""
    response_model = _text(span, *_RESPONSE_MODEL_NAMES)
    request_model = _text(span, *_MODEL_NAMES) or response_model
    kind = call_kind(span, request_model)
    if not kind:
        return None
    talk = conversation_of(span)
    error_type = _error_type(span) if span.status == "error" else ""
    return Interaction(
        interaction_id=interaction_id,
        kind=kind,
        source="otlp",
        status="error" if span.status == "error" else "ok",
        request_model=request_model,
        started_at=span.started_at,
        ended_at=span.ended_at,
        provider=_provider(span),
        response_model=response_model,
        streaming=_streaming(span),
        first_token_at=_first_token_at(span),
        error_type=error_type,
        error_message=span.status_message if span.status == "error" else "",
        http_status=_http_status(span, error_type),
        finish_reasons=_finish_reasons(span, talk),
        usage=_usage(span),
        content=_content(span, talk),
        context=_context(span),
    )


def _text(span: Span, *names: str) -> str:
    for name in names:
        value = span.attributes.get(name)
        if isinstance(value, str) and value:
            return value[:MAX_NAME]
    return ""


def _provider(span: Span) -> str:
    name = _text(span, *_PROVIDER_NAMES).lower()
    if "ai.operationId" not in span.attributes or "gen_ai.provider.name" in span.attributes:
        return name
    maker = name.partition(".")[0]
    return _AI_SDK_PROVIDERS.get(maker, maker)


def _usage(span: Span) -> Usage:
    raw = {
        name: value for name, value in span.attributes.items() if name.startswith(USAGE_PREFIXES)
    }
    if not raw:
        return Usage()
    return read_usage(orjson.dumps(raw).decode(), "otel", service_tier=_tier(span))


def _tier(span: Span) -> str:
    """The tier that served, else the one that was asked for, unless it left the choice to the provider."""
    asked = _text(span, *_ASKED_TIER_NAMES)
    return _text(span, *_SERVED_TIER_NAMES) or ("" if asked == "auto" else asked)


def _content(span: Span, talk: Conversation) -> Content:
    options = _options(span)
    return Content(
        input_messages=orjson.dumps(talk.asked).decode() if talk.asked else "",
        output_messages=orjson.dumps(talk.said).decode() if talk.said else "",
        input_text=question(talk.asked),
        output_text=answer(talk.said),
        options=orjson.dumps(options).decode() if options else "",
    )


def _options(span: Span) -> dict[str, object]:
    parameters = parsed(span.attributes.get("llm.invocation_parameters"))
    options = dict(parameters) if isinstance(parameters, dict) else {}
    for name, value in span.attributes.items():
        option = name.removeprefix(_REQUEST)
        if name.startswith(_REQUEST) and option not in _NOT_OPTIONS:
            options[_RENAMED.get(option, option)] = value
    tools = parsed(span.attributes.get("gen_ai.tool.definitions"))
    if isinstance(tools, list):
        options["tools"] = tools
    return options


def _context(span: Span) -> Context:
    return Context(
        session_id=span.session_id or _text(span, *_SESSION_NAMES),
        user_id=span.user_id or _text(span, *_USER_NAMES),
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        prompt_name=_text(span, "gen_ai.prompt.name", "traceloop.prompt.key"),
        prompt_version=_text(span, "gen_ai.prompt.version", "traceloop.prompt.version"),
        environment=span.environment,
        tags=_tags(span),
    )


def _tags(span: Span) -> dict[str, str]:
    taken = {*_SESSION_NAMES, *_USER_NAMES}
    tags = {"service": span.service_name} if span.service_name else {}
    for prefix in _ASSOCIATIONS:
        for name, value in span.attributes.items():
            if name.startswith(prefix) and name not in taken and isinstance(value, str):
                tags[name.removeprefix(prefix)[:MAX_NAME]] = value[:MAX_NAME]
    return dict(list(tags.items())[:MAX_TAGS])


def _streaming(span: Span) -> bool:
    names = ("gen_ai.request.stream", "gen_ai.request.is_stream", "llm.is_streaming")
    told = any(span.attributes.get(name) is True for name in names)
    return told or _text(span, "ai.operationId").endswith(".doStream")


def _first_token_at(span: Span) -> datetime | None:
    whole = (span.ended_at - span.started_at).total_seconds()
    for name, units_per_second in _FIRST_TOKEN_NAMES.items():
        told = span.attributes.get(name)
        if isinstance(told, int | float) and 0 <= told <= whole * units_per_second:
            return span.started_at + timedelta(seconds=told / units_per_second)
    return None


def _finish_reasons(span: Span, talk: Conversation) -> tuple[str, ...]:
    told = parsed(span.attributes.get("gen_ai.response.finish_reasons"))
    reasons = told if isinstance(told, list) else [told] if told else []
    if not reasons:
        reasons = [message.get("finish_reason") for message in talk.said]
    if not any(reasons):
        reasons = [_text(span, *_FINISH_NAMES)]
    return tuple(str(reason)[:MAX_NAME] for reason in reasons if isinstance(reason, str) and reason)


def _error_type(span: Span) -> str:
    named = _text(span, "error.type", "exception.type")
    if named:
        return named
    for event in span.events:
        attributes = event.get("attributes")
        if event.get("name") == "exception" and isinstance(attributes, dict):
            return str(attributes.get("exception.type", ""))[:MAX_NAME]
    return "_OTHER"  # the conventions' own word for an error without a class


def _http_status(span: Span, error_type: str) -> int:
    status = span.attributes.get("http.response.status_code")
    found = _HTTP_STATUS.fullmatch(error_type if status is None else str(status))
    return int(found[0]) if found else 0
