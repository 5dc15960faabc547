"""Which spans are calls of a model, and of what kind: as they say, or else by a model and its usage."""

from collections.abc import Mapping

from services.ingest.domain.spans import Span

USAGE_PREFIXES = ("gen_ai.usage.", "llm.usage.", "llm.token_count.", "ai.usage.")

# Operations that call a model. Agents, tools and retrievals contain calls: they stay spans, or
# their usage would be counted twice. So does the whole of a call of the AI SDK (`ai.generateText`),
# which repeats the usage of the calls to a provider inside of it.
_KINDS: Mapping[str, str] = {
    "chat": "chat",
    "generate_content": "chat",
    "completion": "completion",
    "text_completion": "completion",
    "embedding": "embedding",
    "embeddings": "embedding",
    "llm": "chat",
    "ai.generatetext.dogenerate": "chat",
    "ai.generateobject.dogenerate": "chat",
    "ai.streamtext.dostream": "chat",
    "ai.streamobject.dostream": "chat",
    "ai.embed.doembed": "embedding",
    "ai.embedmany.doembed": "embedding",
}
_OPERATION_NAMES = (
    "gen_ai.operation.name",
    "ai.operationId",
    "llm.request.type",
    "openinference.span.kind",
)
_UNTOLD = frozenset({"", "unknown"})
# What only a span around calls, or beside them, has.
_OF_NO_CALL = (
    "traceloop.span.kind",
    "gen_ai.agent.name",
    "gen_ai.agent.id",
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
)
# What only a request for embeddings has.
_OF_EMBEDDINGS = (
    "embedding.model_name",
    "gen_ai.request.encoding_formats",
    "gen_ai.embeddings.dimension.count",
)


def call_kind(span: Span, model: str) -> str:
    """The kind of interaction that a span is, whose model has this name; empty for a span that is none."""
    if not model:
        return ""
    names = (str(span.attributes.get(name, "")).lower() for name in _OPERATION_NAMES)
    named = next((name for name in names if name not in _UNTOLD), "")
    return _KINDS.get(named, "") if named else _unnamed_kind(span, model)


def _unnamed_kind(span: Span, model: str) -> str:
    """The kind of a span of conventions that did not name operations (OpenTelemetry's, before 1.27)."""
    around = any(name in span.attributes for name in _OF_NO_CALL)
    if around or not any(_counted(name, value) for name, value in span.attributes.items()):
        return ""
    embeds = any(name in span.attributes for name in _OF_EMBEDDINGS) or "embed" in model.lower()
    return "embedding" if embeds else "chat"


def _counted(name: str, value: object) -> bool:
    return name.startswith(USAGE_PREFIXES) and type(value) is int
