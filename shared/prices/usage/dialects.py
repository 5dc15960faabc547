"""Every dialect of usage by name, and the one way from a raw usage text to disjoint classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shared.prices.classes import OUTPUT_CLASSES
from shared.prices.exact import read_json
from shared.prices.usage import (
    anthropic,
    bedrock,
    compatible,
    gemini,
    openai,
    otel,
    streams,
)
from shared.prices.usage.counts import (
    OUTPUT_UNKNOWN,
    Counts,
    Metered,
    UsageDoubtful,
    UsageMissing,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a usage object is read, and how the events of a stream are folded into one.

    `placeholder_output`: the output count of an answer that did not end says nothing.
    """

    read: Callable[[Counts], Metered]
    fold: Callable[[Sequence[streams.Event]], streams.Folded] | None = None
    placeholder_output: bool = False
    rename: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None


def meter(usage_json: str, dialect: str, *, ended: bool = True) -> Metered:
    """The disjoint classes of a raw usage in its dialect, a name of `dialect_of`.

    A dialect `<name>_stream` reads the JSON list of a stream's events that carry usage. `ended` is
    false when the answer was cut off before its last event. Raises `UsageMissing` and `UsageDoubtful`.
    """
    if not usage_json.strip():
        raise UsageMissing("missing")
    try:
        value = read_json(usage_json)
    except ValueError as fault:
        raise UsageDoubtful("invalid_json") from fault
    if dialect.endswith("_stream"):
        rules = _known(dialect.removesuffix("_stream"))
        return _meter_events(value, rules, dialect, ended=ended)
    return _meter_object(value, _known(dialect), ended=ended)


def dialect_of(name: str, provider: str = "", model: str = "") -> str:
    """The dialect to read by: a specific name stands, a generic one gives way to the provider's own.

    >>> dialect_of("openai", "deepseek"), dialect_of("openai_chat", "deepseek"), dialect_of("", "google")
    ('deepseek', 'openai_chat', 'gemini')
    """
    chosen = name
    if name in ("", "openai"):
        chosen = _SAME_PROTOCOL.get(provider, name)
    if not chosen:
        chosen = _OWN_PROTOCOL.get(provider, "openai")
    if chosen == "bedrock":
        family_is_openai = "openai" in model.split(".")
        return "bedrock_converse_inclusive" if family_is_openai else "bedrock_converse"
    return _SYNONYMS.get(chosen, chosen)


def _known(dialect: str) -> Dialect:
    rules = _DIALECTS.get(dialect)
    if rules is None:
        raise UsageDoubtful(f"unknown_dialect:{dialect}")
    return rules


def _meter_events(value: object, rules: Dialect, dialect: str, *, ended: bool) -> Metered:
    if rules.fold is None:
        raise UsageDoubtful(f"unknown_dialect:{dialect}")
    if not isinstance(value, list) or not all(isinstance(event, Mapping) for event in value):
        raise UsageDoubtful("not_a_list_of_events")
    folded = rules.fold(value)
    return _meter_object(folded.usage, rules, ended=ended and folded.ended)


def _meter_object(value: object, rules: Dialect, *, ended: bool) -> Metered:
    if value is None or value == {}:
        raise UsageMissing("missing")
    if not isinstance(value, Mapping):
        raise UsageDoubtful("not_an_object")
    metered = rules.read(Counts(rules.rename(value) if rules.rename else value))
    return metered if ended else _cut_off(metered, rules)


def _cut_off(metered: Metered, rules: Dialect) -> Metered:
    """What is certain of an answer that did not end: its input, and the output seen so far if it is counted."""
    if not rules.placeholder_output:
        return replace(metered, partial="output_incomplete")
    kept = {name: n for name, n in metered.tokens.items() if name not in OUTPUT_CLASSES}
    return replace(metered, tokens=kept, partial=OUTPUT_UNKNOWN)


_CHAT = partial(Dialect, fold=streams.chat_chunks)
_DIALECTS: Mapping[str, Dialect] = {
    "openai": _CHAT(openai.any_shape),
    "openai_chat": _CHAT(openai.chat),
    "openai_embeddings": Dialect(openai.chat),
    "openai_responses": Dialect(openai.responses, streams.response_events),
    "openai_realtime": Dialect(openai.realtime),
    "openai_duration": Dialect(openai.duration),
    "anthropic": Dialect(anthropic.messages, streams.message_events, placeholder_output=True),
    "gemini": Dialect(gemini.generate_content, streams.content_chunks, rename=gemini.camel_names),
    "bedrock_converse": Dialect(bedrock.converse, streams.converse_events),
    "bedrock_converse_inclusive": Dialect(bedrock.converse_inclusive, streams.converse_events),
    "deepseek": _CHAT(compatible.deepseek),
    "mistral": _CHAT(compatible.mistral),
    "xai_chat": _CHAT(compatible.xai),
    "openrouter": _CHAT(compatible.openrouter),
    "otel": Dialect(otel.attributes),
}
# Providers that answer in OpenAI's protocol with rules of their own.
_SAME_PROTOCOL: Mapping[str, str] = {
    "deepseek": "deepseek",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "x-ai": "xai_chat",
    "xai": "xai_chat",
}
_OWN_PROTOCOL: Mapping[str, str] = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "bedrock": "bedrock",
    "gemini": "gemini",
    "google": "gemini",
    "vertex": "gemini",
}
_SYNONYMS: Mapping[str, str] = {
    "azure": "openai",
    "gemini_live": "gemini",
    "openai_completions": "openai_chat",
    "openai_images": "openai_responses",
    "openai_transcriptions": "openai",
    "google": "gemini",
    "xai": "xai_chat",
    "bedrock_openai": "bedrock_converse_inclusive",
}
