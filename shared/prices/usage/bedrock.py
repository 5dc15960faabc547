"""Bedrock Converse: whether `inputTokens` includes the cache depends on the family of the model.

Read in botocore 1.44 bedrock-runtime `TokenUsage` and `CacheDetail`. For Claude and Nova the input
excludes the cache; for `openai.*` models it includes it.
"""

from shared.prices.usage.counts import (
    Counts,
    Metered,
    Quantity,
    UsageDoubtful,
    disjoint,
    require,
)

_TTLS = ("5m", "30m", "1h", "12h")


def converse(usage: Counts) -> Metered:
    """Claude, Nova and others: cache reads and writes stand beside the input."""
    return _converse(usage, usage.required("inputTokens"), default_ttl="5m")


def converse_inclusive(usage: Counts) -> Metered:
    """The `openai.*` models: cache reads and writes are inside the input."""
    read, written = usage.count("cacheReadInputTokens"), usage.count("cacheWriteInputTokens")
    return _converse(usage, usage.required("inputTokens") - read - written, default_ttl="30m")


def _converse(usage: Counts, fresh: int, *, default_ttl: str) -> Metered:
    tokens_in, output = usage.required("inputTokens"), usage.count("outputTokens")
    read, written = usage.count("cacheReadInputTokens"), usage.count("cacheWriteInputTokens")
    stated, sides = usage.given("totalTokens"), tokens_in + output
    # Both totals are seen in the wild: with the cache and without it.
    require(stated in (None, sides, sides + read + written), "total_mismatch")
    classes: list[tuple[str, Quantity]] = [
        ("fresh_input", fresh),
        ("cache_read", read),
        *_cache_writes(usage, written, default_ttl).items(),
        ("output", output),
    ]
    return Metered(disjoint(classes), tiers=(usage.text("serviceTier"),))


def _cache_writes(usage: Counts, written: int, default_ttl: str) -> dict[str, int]:
    details = usage.parts("cacheDetails")
    if not details:
        return {f"cache_write_{default_ttl}": written}
    split: dict[str, int] = {}
    for detail in details:
        ttl = detail.text("ttl")
        if ttl not in _TTLS:
            raise UsageDoubtful(f"unknown_ttl:{ttl}")
        name = f"cache_write_{ttl}"
        split[name] = split.get(name, 0) + detail.count("inputTokens")
    require(sum(split.values()) == written, "cache_write_breakdown_mismatch")
    return split
