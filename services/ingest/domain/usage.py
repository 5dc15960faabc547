"""The totals of a provider's raw usage, as the OpenTelemetry conventions define them."""

from shared.interactions import Usage
from shared.prices.usage.counts import UsageDoubtful, UsageMissing
from shared.prices.usage.dialects import dialect_of, meter

_WRITTEN = ("output", "reasoning", "audio_out", "image_out", "video_out")


def read_usage(
    raw: str, dialect: str, *, provider: str = "", model: str = "", service_tier: str = ""
) -> Usage:
    """The raw usage, kept as it is, with what it adds up to; a doubtful one has no totals.

    >>> usage = read_usage('{"input_tokens":6,"cache_read_input_tokens":94,"output_tokens":9}', "anthropic")
    >>> usage.input_tokens, usage.cache_read_tokens, usage.output_tokens
    (100, 94, 9)
    """
    try:
        quantities = meter(raw, dialect_of(dialect, provider, model)).tokens
    except (UsageMissing, UsageDoubtful):
        quantities = {}
    tokens = {name: count for name, count in quantities.items() if isinstance(count, int)}
    written = sum(tokens.get(name, 0) for name in _WRITTEN)
    return Usage(
        raw=raw,
        dialect=dialect,
        service_tier=service_tier,
        input_tokens=sum(tokens.values()) - written or None,
        output_tokens=written or None,
        cache_read_tokens=tokens.get("cache_read"),
        cache_write_tokens=sum(n for name, n in tokens.items() if name.startswith("cache_write"))
        or None,
        reasoning_tokens=tokens.get("reasoning"),
    )
