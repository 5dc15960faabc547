"""Anthropic's shape: `input_tokens` excludes what was read from and written to the cache.

Read in anthropic 2.12 `types/usage.py`, `types/cache_creation.py`, `types/server_tool_usage.py` and
`types/beta/beta_usage.py`. Also what Vertex and Bedrock return for Claude's own protocol.
"""

from shared.prices.usage.counts import (
    Counts,
    Metered,
    Quantity,
    UsageDoubtful,
    disjoint,
    require,
)

# A geography that costs what the list says; any other is a price key of its own.
_GLOBAL = ("", "global", "not_available")


def messages(usage: Counts) -> Metered:
    """A message's usage, with the tokens of its compactions, which the top level leaves out."""
    tokens = _classes(usage)
    for iteration in usage.parts("iterations"):
        match iteration.text("type"):
            case "compaction":
                for name, quantity in _classes(iteration).items():
                    tokens[name] = tokens.get(name, 0) + quantity
            case "advisor_message" | "fallback_message":
                # Another model's tokens: one price row cannot bill them.
                raise UsageDoubtful("several_models")
    searches = usage.part("server_tool_use").count("web_search_requests")
    if searches:
        tokens["web_search"] = searches
    return Metered(tokens, tiers=_price_keys(usage))


def _classes(usage: Counts) -> dict[str, Quantity]:
    output = usage.required("output_tokens")
    thinking = usage.part("output_tokens_details").count("thinking_tokens")
    return disjoint(
        [
            ("fresh_input", usage.required("input_tokens")),
            ("cache_read", usage.count("cache_read_input_tokens")),
            *_cache_writes(usage).items(),
            ("output", output - thinking),
            ("reasoning", thinking),
        ]
    )


def _cache_writes(usage: Counts) -> dict[str, int]:
    written, ttl = usage.given("cache_creation_input_tokens"), usage.part("cache_creation")
    short, long = (ttl.given(f"ephemeral_{age}_input_tokens") for age in ("5m", "1h"))
    if short is None and long is None:
        return {"cache_write_5m": written or 0}
    parts = {"cache_write_5m": short or 0, "cache_write_1h": long or 0}
    require(written in (None, sum(parts.values())), "cache_write_breakdown_mismatch")
    return parts


def _price_keys(usage: Counts) -> tuple[str, ...]:
    geography = usage.text("inference_geo")
    return (
        usage.text("service_tier"),
        usage.text("speed"),
        "" if geography in _GLOBAL else geography,
    )
