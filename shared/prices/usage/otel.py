"""OpenTelemetry's GenAI attributes: the input tokens are already the whole, cached ones included.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

from shared.prices.usage.counts import Counts, Metered, disjoint

_PREFIX = "gen_ai.usage."
# The attributes do not say for how long a prompt is cached: a provider's book has its default only.
_SAME_RATE = {"cache_write_5m": "cache_write_30m"}


def attributes(usage: Counts) -> Metered:
    """The `gen_ai.usage.*` attributes of a span."""
    read = usage.count(f"{_PREFIX}cache_read.input_tokens")
    written = usage.count(f"{_PREFIX}cache_creation.input_tokens")
    reasoning = usage.count(f"{_PREFIX}reasoning.output_tokens")
    tokens = disjoint(
        [
            ("fresh_input", usage.count(f"{_PREFIX}input_tokens") - read - written),
            ("cache_read", read),
            ("cache_write_5m", written),
            ("output", usage.count(f"{_PREFIX}output_tokens") - reasoning),
            ("reasoning", reasoning),
        ]
    )
    return Metered(tokens, same_rate=_SAME_RATE)
