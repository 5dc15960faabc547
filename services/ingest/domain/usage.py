"""The totals that every dialect of usage has in common; prices are billing's to work out."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_TOKENS = 2**53


@dataclass(frozen=True, slots=True)
class Totals:
    """Token counts as the OpenTelemetry conventions define them: input includes what was cached."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


def totals(usage: Mapping[str, object], dialect: str) -> Totals:
    """The totals of a provider's raw usage; what a dialect does not report stays None.

    >>> totals({"input_tokens": 6, "cache_read_input_tokens": 94, "output_tokens": 9}, "anthropic")
    Totals(input_tokens=100, output_tokens=9, cache_read_tokens=94, cache_write_tokens=None, \
reasoning_tokens=None)
    """
    if dialect.startswith(("anthropic", "bedrock")) and not dialect.endswith("_inclusive"):
        return _exclusive(usage)
    if dialect.startswith("gemini"):
        return _gemini(usage)
    return _inclusive(usage)


def tokens(value: object) -> int | None:
    """A count of tokens, however it was written down; None when it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_TOKENS:
        return None
    return value


def _inclusive(usage: Mapping[str, object]) -> Totals:
    read = _object(usage, "prompt_tokens_details", "input_tokens_details")
    written = _object(usage, "completion_tokens_details", "output_tokens_details")
    return Totals(
        input_tokens=_first(usage, "prompt_tokens", "input_tokens", "inputTokens"),
        output_tokens=_first(usage, "completion_tokens", "output_tokens", "outputTokens"),
        cache_read_tokens=_first(read, "cached_tokens"),
        cache_write_tokens=_first(read, "cache_write_tokens"),
        reasoning_tokens=_first(written, "reasoning_tokens"),
    )


def _exclusive(usage: Mapping[str, object]) -> Totals:
    fresh = _first(usage, "input_tokens", "inputTokens")
    read = _first(usage, "cache_read_input_tokens", "cacheReadInputTokens")
    written = _first(usage, "cache_creation_input_tokens", "cacheWriteInputTokens")
    return Totals(
        input_tokens=_sum(fresh, read, written),
        output_tokens=_first(usage, "output_tokens", "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def _gemini(usage: Mapping[str, object]) -> Totals:
    prompt = _first(usage, "promptTokenCount", "prompt_token_count")
    tools = _first(usage, "toolUsePromptTokenCount", "tool_use_prompt_token_count")
    said = _first(usage, "candidatesTokenCount", "candidates_token_count")
    thought = _first(usage, "thoughtsTokenCount", "thoughts_token_count")
    return Totals(
        input_tokens=_sum(prompt, tools),
        output_tokens=_sum(said, thought),
        cache_read_tokens=_first(usage, "cachedContentTokenCount", "cached_content_token_count"),
        reasoning_tokens=thought,
    )


def _first(usage: Mapping[str, object], *names: str) -> int | None:
    return next((count for count in map(tokens, map(usage.get, names)) if count is not None), None)


def _object(usage: Mapping[str, object], *names: str) -> Mapping[str, object]:
    return next((found for found in map(usage.get, names) if isinstance(found, dict)), {})


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
