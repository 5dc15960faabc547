"""What a provider says was used: kept verbatim in its dialect, with the totals that every dialect has."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from shared.interactions import Usage

MAX_COUNT = 2**63 - 1

Counts = Mapping[str, Any]


def openai_usage(
    raw: str, counts: Counts, service_tier: str = "", dialect: str = "openai"
) -> Usage:
    """A usage object of OpenAI's shapes, of a chat or of a response; `raw` is its JSON text.

    The dialect `openai` is the protocol alone: whose rules of counting hold is then known by the
    provider's name. Those with a name of their own count as they do: DeepSeek's cache hits stand
    beside the prompt's details, xAI's reasoning beside the completion.
    """
    response = "input_tokens" in counts
    sides = (
        ("input_tokens", "output_tokens") if response else ("prompt_tokens", "completion_tokens")
    )
    read, written = (_part(counts, f"{side}_details") for side in sides)
    tokens_in, tokens_out = (_count(counts, side) for side in sides)
    reasoning = _count(written, "reasoning_tokens")
    if dialect == "xai_chat" and not response:
        tokens_out = _sum(tokens_out, reasoning)
    hit = _count(counts, "prompt_cache_hit_tokens")
    return Usage(
        raw=raw,
        dialect=dialect,
        service_tier=service_tier,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_read_tokens=_count(read, "cached_tokens") if hit is None else hit,
        cache_write_tokens=_count(read, "cache_write_tokens"),
        reasoning_tokens=reasoning,
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


def gemini_usage(raw: str, counts: Counts) -> Usage:
    """Google's usage metadata, where thoughts are beside the candidates, and a tool's prompt beside the prompt."""
    tools, thoughts = (
        _count(counts, name) for name in ("toolUsePromptTokenCount", "thoughtsTokenCount")
    )
    return Usage(
        raw=raw,
        dialect="gemini",
        input_tokens=_sum(_count(counts, "promptTokenCount"), tools),
        output_tokens=_sum(_count(counts, "candidatesTokenCount"), thoughts),
        cache_read_tokens=_count(counts, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
    )


def converse_usage(raw: str, counts: Counts, model: str, service_tier: str = "") -> Usage:
    """Bedrock's token usage, whose `inputTokens` leave out the cache but for the `openai.*` models."""
    read, written = (
        _count(counts, name) for name in ("cacheReadInputTokens", "cacheWriteInputTokens")
    )
    inclusive = "openai" in model.split(".")
    fresh = _count(counts, "inputTokens")
    return Usage(
        raw=raw,
        dialect="bedrock_converse_inclusive" if inclusive else "bedrock_converse",
        service_tier=service_tier,
        input_tokens=fresh if inclusive or fresh is None else _sum(fresh, read, written),
        output_tokens=_count(counts, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
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


def summed(first: Usage | None, second: Usage | None) -> Usage | None:
    """The usage of two answers of one provider, each of which was paid for: count by count, level by level.

    >>> summed(Usage('{"a":1}', "openai", output_tokens=2), Usage('{"a":2,"b":1}', "openai", output_tokens=3))
    Usage(raw='{"a":3,"b":1}', dialect='openai', service_tier='', input_tokens=None, output_tokens=5, \
cache_read_tokens=None, cache_write_tokens=None, reasoning_tokens=None)
    """
    if first is None or second is None:
        return second or first
    raw = _added(orjson.loads(first.raw or "{}"), orjson.loads(second.raw or "{}"))
    totals = {
        name: _added(getattr(first, name), getattr(second, name))
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
        )
    }
    return replace(second, raw=orjson.dumps(raw).decode(), **totals)


def _added(first: Any, second: Any) -> Any:
    """Numbers added, objects member by member; of anything else the second, where there is one."""
    match first, second:
        case dict(), dict():
            names = dict.fromkeys((*first, *second))
            return {name: _added(first.get(name), second.get(name)) for name in names}
        case (int() | float(), int() | float()) if not isinstance(first, bool):
            return first + second
        case _:
            return first if second is None else second


def _part(counts: Counts, name: str) -> Counts:
    value = counts.get(name)
    return value if isinstance(value, dict) else {}


def _count(counts: Counts, name: str) -> int | None:
    """A count that a column can hold; anything else is left to the raw usage to show."""
    value = counts.get(name)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def _sum(*counts: int | None) -> int | None:
    """The sum of what was told; None when nothing was."""
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _text(counts: Counts, name: str) -> str:
    value = counts.get(name)
    return value if isinstance(value, str) else ""
