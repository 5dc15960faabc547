"""OpenTelemetry's GenAI attributes: the input tokens are already the whole, cached ones included.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/, with the names that were
current before and those of OpenLLMetry, OpenInference and the AI SDK.
"""

from dataclasses import dataclass

from shared.prices.usage.counts import (
    INPUT_UNKNOWN,
    OUTPUT_UNKNOWN,
    Counts,
    Metered,
    UsageMissing,
    disjoint,
    require_total,
)

_INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
_TOTAL = (
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
)
_CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.inputTokenDetails.cacheReadTokens",
    "ai.usage.cachedInputTokens",
)
_CACHE_WRITTEN = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.outputTokenDetails.reasoningTokens",
    "ai.usage.reasoningTokens",
)
_COST = "gen_ai.usage.cost"
# The attributes do not say for how long a prompt is cached: a provider's book has its default only.
_SAME_RATE = {"cache_write_5m": "cache_write_30m"}


@dataclass(frozen=True, slots=True)
class _Sides:
    """The whole input and the whole output of a call; 0 for the one that `partial` says nobody counted."""

    whole: int
    answer: int
    partial: str = ""


def attributes(usage: Counts) -> Metered:
    """The usage attributes of a span; audio has no attribute of its own yet.

    A cost that the span names counts only where it names no tokens: a price book is more exact.
    """
    sides = _sides(_first(usage, _INPUT), _first(usage, _OUTPUT), _first(usage, _TOTAL))
    if sides is None:
        reported = usage.usd(_COST)
        if reported is None:
            raise UsageMissing("no_counts")
        return Metered({}, reported_usd=reported)
    read, written = _first(usage, _CACHE_READ) or 0, _first(usage, _CACHE_WRITTEN) or 0
    reasoning = _first(usage, _REASONING) or 0
    tokens = disjoint(
        [
            ("fresh_input", sides.whole - read - written),
            ("cache_read", read),
            ("cache_write_5m", written),
            ("output", sides.answer - reasoning),
            ("reasoning", reasoning),
        ]
    )
    return Metered(tokens, partial=sides.partial, same_rate=_SAME_RATE)


def _sides(whole: int | None, answer: int | None, total: int | None) -> _Sides | None:
    """Both sides from what was given of them and their total; None when neither was."""
    if whole is not None and answer is not None:
        require_total(total, whole + answer)
        return _Sides(whole, answer)
    if whole is not None:
        return _Sides(whole, 0, OUTPUT_UNKNOWN) if total is None else _Sides(whole, total - whole)
    if answer is not None:
        return _Sides(0, answer, INPUT_UNKNOWN) if total is None else _Sides(total - answer, answer)
    return None


def _first(usage: Counts, names: tuple[str, ...]) -> int | None:
    given = (usage.given(name) for name in names)
    return next((count for count in given if count is not None), None)
