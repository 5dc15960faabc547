"""Providers that speak OpenAI's protocol but count in their own way: DeepSeek, Mistral, xAI, OpenRouter.

The rules are from their API references and from reports of peers that billed them wrongly.
"""

from dataclasses import replace
from decimal import Decimal

from shared.prices.exact import EXACT
from shared.prices.usage.counts import (
    MAX_REPORTED_USD,
    Counts,
    Metered,
    Quantity,
    disjoint,
    require,
    require_total,
)
from shared.prices.usage.openai import any_shape, chat, input_classes, output_classes, responses

_TICKS_DECIMALS = 10  # xAI bills in ticks of 1e-10 USD


def deepseek(usage: Counts) -> Metered:
    """DeepSeek: the prompt is cache hits plus misses, both at the top level."""
    hit, miss = usage.given("prompt_cache_hit_tokens"), usage.given("prompt_cache_miss_tokens")
    prompt, completion = usage.required("prompt_tokens"), usage.count("completion_tokens")
    if hit is None:
        return chat(usage)
    cached = usage.part("prompt_tokens_details").given("cached_tokens")
    require(miss in (None, prompt - hit) and cached in (None, hit), "cache_split_mismatch")
    require_total(usage.given("total_tokens"), prompt + completion)
    return Metered(
        disjoint([("fresh_input", prompt - hit), ("cache_read", hit)])
        | output_classes(completion, usage.part("completion_tokens_details"))
    )


def mistral(usage: Counts) -> Metered:
    """Mistral: OpenAI's rules; connectors' tokens and seconds of audio stand beside the prompt."""
    prompt, completion = usage.required("prompt_tokens"), usage.count("completion_tokens")
    connectors = usage.count("connector_tokens")
    seconds = usage.quantity("prompt_audio_seconds") or Decimal(0)
    # The total of a call with audio also counts the audio's own tokens, which are billed as seconds.
    if not seconds:
        require_total(usage.given("total_tokens"), prompt + completion + connectors)
    extra = disjoint([("tool_input", connectors), ("audio_seconds", seconds)])
    return Metered(
        input_classes(prompt, usage.part("prompt_tokens_details"))
        | output_classes(completion, usage.part("completion_tokens_details"))
        | extra,
        tiers=(usage.text("service_tier"),),
    )


def xai(usage: Counts) -> Metered:
    """xAI: a chat's reasoning is outside its completion, and `cost_in_usd_ticks` is the bill itself."""
    tokens = responses(usage).tokens if "input_tokens" in usage else _xai_chat(usage)
    sources = disjoint([("search_source", usage.count("num_sources_used"))])
    ticks = usage.given("cost_in_usd_ticks", MAX_REPORTED_USD * 10**_TICKS_DECIMALS)
    usd = None if ticks is None else EXACT.scaleb(Decimal(ticks), -_TICKS_DECIMALS)
    return Metered({**tokens, **sources}, reported_usd=usd)


def openrouter(usage: Counts) -> Metered:
    """OpenRouter: `cost` is what it charged; with one's own key the upstream charges beside it."""
    charged = usage.usd("cost")
    if charged is not None and usage.flag("is_byok"):
        upstream = usage.part("cost_details").usd("upstream_inference_cost")
        require(upstream is not None, "missing_count:upstream_inference_cost")
        charged = EXACT.add(charged, upstream or Decimal(0))
    return replace(any_shape(usage), reported_usd=charged)


def _xai_chat(usage: Counts) -> dict[str, Quantity]:
    prompt, completion = usage.required("prompt_tokens"), usage.count("completion_tokens")
    details = usage.part("completion_tokens_details")
    reasoning = details.count("reasoning_tokens")
    require_total(usage.given("total_tokens"), prompt + completion + reasoning)
    return input_classes(prompt, usage.part("prompt_tokens_details")) | output_classes(
        completion + reasoning, details
    )
