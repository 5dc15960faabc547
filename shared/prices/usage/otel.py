"""OpenTelemetry's GenAI attributes: the input tokens are already the whole, cached ones included.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/, with the names that were
current before and those of OpenLLMetry and OpenInference.
"""

from shared.prices.usage.counts import Counts, Metered, disjoint, require_total

_INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_CACHE_WRITTEN = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
)
# The attributes do not say for how long a prompt is cached: a provider's book has its default only.
_SAME_RATE = {"cache_write_5m": "cache_write_30m"}


def attributes(usage: Counts) -> Metered:
    """The usage attributes of a span; audio has no attribute of its own yet."""
    whole, answer = _first(usage, _INPUT) or 0, _first(usage, _OUTPUT) or 0
    require_total(_first(usage, _TOTAL), whole + answer)
    read, written = _first(usage, _CACHE_READ) or 0, _first(usage, _CACHE_WRITTEN) or 0
    reasoning = _first(usage, _REASONING) or 0
    tokens = disjoint(
        [
            ("fresh_input", whole - read - written),
            ("cache_read", read),
            ("cache_write_5m", written),
            ("output", answer - reasoning),
            ("reasoning", reasoning),
        ]
    )
    return Metered(tokens, same_rate=_SAME_RATE)


def _first(usage: Counts, names: tuple[str, ...]) -> int | None:
    given = (usage.given(name) for name in names)
    return next((count for count in given if count is not None), None)
