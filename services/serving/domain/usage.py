"""What a provider says was used: kept verbatim in its dialect, with the totals that every dialect has."""

from collections.abc import Mapping
from typing import Any

from shared.interactions import Usage

MAX_COUNT = 2**63 - 1

Counts = Mapping[str, Any]


def openai_usage(raw: str, counts: Counts, service_tier: str = "") -> Usage:
    """A usage object of OpenAI's shape; `raw` is its JSON text.

    The dialect is OpenAI's protocol; whose rules of counting hold is known by the provider's name.
    """
    read, written = (
        _part(counts, "prompt_tokens_details"),
        _part(counts, "completion_tokens_details"),
    )
    return Usage(
        raw=raw,
        dialect="openai",
        service_tier=service_tier,
        input_tokens=_count(counts, "prompt_tokens"),
        output_tokens=_count(counts, "completion_tokens"),
        cache_read_tokens=_count(read, "cached_tokens"),
        cache_write_tokens=_count(read, "cache_write_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
    )


def anthropic_usage(raw: str, counts: Counts, *, ended: bool = True) -> Usage:
    """A usage object of Anthropic's shape, whose `input_tokens` leave out what the cache read and wrote.

    Until a stream has `ended` its output count is a placeholder, and not taken.
    """
    read = _count(counts, "cache_read_input_tokens")
    written = _count(counts, "cache_creation_input_tokens")
    fresh = _count(counts, "input_tokens")
    return Usage(
        raw=raw,
        dialect="anthropic",
        service_tier=_text(counts, "service_tier"),
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=_count(counts, "output_tokens") if ended else None,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count(_part(counts, "output_tokens_details"), "thinking_tokens"),
    )


def chat_counts(usage: Usage) -> dict[str, Any]:
    """The usage object that a client of OpenAI's protocol reads."""
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def _part(counts: Counts, name: str) -> Counts:
    value = counts.get(name)
    return value if isinstance(value, dict) else {}


def _count(counts: Counts, name: str) -> int | None:
    """A count that a column can hold; anything else is left to the raw usage to show."""
    value = counts.get(name)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def _text(counts: Counts, name: str) -> str:
    value = counts.get(name)
    return value if isinstance(value, str) else ""
