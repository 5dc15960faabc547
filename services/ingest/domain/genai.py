"""A span of a model call, as the OpenTelemetry GenAI conventions tell it, read as an interaction.

The conventions: https://github.com/open-telemetry/semantic-conventions-genai (in development, so
names that were current before are read too), with those of OpenLLMetry and OpenInference.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import orjson

from services.ingest.domain.conversation import Conversation, conversation_of, parsed
from services.ingest.domain.messages import answer, question
from services.ingest.domain.spans import Span
from services.ingest.domain.usage import read_usage
from shared.fields import MAX_NAME, MAX_TAGS
from shared.interactions import Content, Context, Interaction, Usage

MAX_ERROR = 16_384

# Operations that call a model. Agents, tools and retrievals contain calls: they stay spans, or
# their usage would be counted twice.
_KINDS: Mapping[str, str] = {
    "chat": "chat",
    "generate_content": "chat",
    "completion": "completion",
    "text_completion": "completion",
    "embedding": "embedding",
    "embeddings": "embedding",
    "llm": "chat",
}
_OPERATION_NAMES = ("gen_ai.operation.name", "llm.request.type", "openinference.span.kind")
_MODEL_NAMES = ("gen_ai.request.model", "llm.model_name", "embedding.model_name")
_PROVIDER_NAMES = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_ENVIRONMENT_NAMES = ("deployment.environment.name", "deployment.environment")
_SESSION_NAMES = (
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
)
_USER_NAMES = ("user.id", "enduser.id", "traceloop.association.properties.user_id")
_USAGE_PREFIXES = ("gen_ai.usage.", "llm.usage.", "llm.token_count.")
_REQUEST = "gen_ai.request."
_RENAMED = {"choice.count": "n", "stop_sequences": "stop"}
_NOT_OPTIONS = frozenset({"model", "stream", "is_stream"})
_ASSOCIATION = "traceloop.association.properties."
_HTTP_STATUS = re.compile(r"[1-5][0-9]{2}")


def model_call(span: Span, interaction_id: str) -> Interaction | None:
    """The interaction of a span that calls a model and names it; None for every other span."""
    kind = _KINDS.get(_text(span, *_OPERATION_NAMES).lower(), "")
    response_model = _text(span, "gen_ai.response.model")
    request_model = _text(span, *_MODEL_NAMES) or response_model
    if not kind or not request_model:
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
        provider=_text(span, *_PROVIDER_NAMES).lower(),
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


def _usage(span: Span) -> Usage:
    raw = {
        name: value for name, value in span.attributes.items() if name.startswith(_USAGE_PREFIXES)
    }
    if not raw:
        return Usage()
    tier = _text(span, "openai.response.service_tier")
    return read_usage(orjson.dumps(raw).decode(), "otel", service_tier=tier)


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
    for name, value in span.attributes.items():
        if name.startswith(_ASSOCIATION) and name not in taken and isinstance(value, str):
            tags[name.removeprefix(_ASSOCIATION)[:MAX_NAME]] = value[:MAX_NAME]
    return dict(list(tags.items())[:MAX_TAGS])


def _streaming(span: Span) -> bool:
    names = ("gen_ai.request.stream", "gen_ai.request.is_stream", "llm.is_streaming")
    return any(span.attributes.get(name) is True for name in names)


def _first_token_at(span: Span) -> datetime | None:
    seconds = span.attributes.get("gen_ai.response.time_to_first_chunk")
    whole = (span.ended_at - span.started_at).total_seconds()
    if isinstance(seconds, int | float) and 0 <= seconds <= whole:
        return span.started_at + timedelta(seconds=seconds)
    return None


def _finish_reasons(span: Span, talk: Conversation) -> tuple[str, ...]:
    told = parsed(span.attributes.get("gen_ai.response.finish_reasons"))
    reasons = told if isinstance(told, list) else [told] if told else []
    if not reasons:
        reasons = [message.get("finish_reason") for message in talk.said]
    if not any(reasons):
        reasons = [span.attributes.get("llm.finish_reason")]
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
