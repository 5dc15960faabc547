"""Whatever a provider reports: classes are disjoint, costs add up, and nonsense is never priced."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.prices.book import Book, Sheet, Step
from shared.prices.classes import INPUT_CLASSES
from shared.prices.rate import Rating, rate
from shared.prices.usage.dialects import meter

AT = datetime(2026, 11, 1, tzinfo=UTC)
CLASSES = (*INPUT_CLASSES, "output", "reasoning", "audio_out", "image_out", "web_search")
DIALECTS = ("openai", "anthropic", "gemini", "bedrock_converse", "deepseek", "xai_chat", "otel")
NAMES = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"),
    *("input_tokens", "output_tokens", "cached_tokens", "cached_tokens_details", "text_tokens"),
    *("cache_creation", "ephemeral_5m_input_tokens", "iterations", "type", "service_tier"),
    *("promptTokenCount", "promptTokensDetails", "modality", "tokenCount", "inputTokens"),
    *("choices", "usage", "usageMetadata", "message", "response", "metadata", "candidates"),
    *("prompt_cache_hit_tokens", "cost_in_usd_ticks", "gen_ai.usage.input_tokens"),
)
STATUSES = {"priced", "partial", "reported", "no_usage", "no_price", "quarantine"}

counts = st.integers(min_value=0, max_value=4_000_000_000)
rates = st.decimals(min_value=0, max_value=10_000, places=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def openai_usages(draw: st.DrawFn) -> dict[str, object]:
    parts = {name: draw(counts) // 4 for name in ("fresh", "cached", "written", "audio")}
    answer, reasoning = draw(counts) // 2, draw(counts) // 2
    prompt = sum(parts.values())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer + reasoning,
        "total_tokens": prompt + answer + reasoning,
        "prompt_tokens_details": {
            "cached_tokens": parts["cached"],
            "cache_write_tokens": parts["written"],
            "audio_tokens": parts["audio"],
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def rated(usage_json: str, dialect: str, per_million: Decimal, *, marginal: bool) -> Rating:
    steps = (
        Step(0, dict.fromkeys(CLASSES, per_million)),
        Step(200_000, dict.fromkeys(CLASSES, per_million * 2)),
    )
    book = Book([Sheet("s", "p", "m", steps, marginal=marginal)])
    return rate(book, "p", "m", usage_json, dialect, "", AT)


@given(openai_usages())
def test_classes_are_disjoint_positive_and_make_the_total(usage: dict[str, object]) -> None:
    tokens = meter(json.dumps(usage), "openai").tokens

    assert sum(tokens.values()) == usage["total_tokens"]
    assert all(quantity > 0 for quantity in tokens.values())


@given(openai_usages(), rates, st.booleans())
def test_the_costs_of_the_classes_make_the_cost(
    usage: dict[str, object],
    per_million: Decimal,
    marginal: bool,
) -> None:
    rating = rated(json.dumps(usage), "openai", per_million, marginal=marginal)

    assert rating.status == "priced"
    assert rating.cost_usd == sum(rating.cost_by_class_usd.values(), Decimal(0))
    assert rating.cost_by_class_usd.keys() == rating.price_ids.keys() == rating.tokens.keys()


@given(openai_usages(), st.integers(min_value=1, max_value=1000))
def test_a_total_that_is_off_is_never_priced(usage: dict[str, object], error: int) -> None:
    total = usage["total_tokens"]
    assert isinstance(total, int)
    wrong = {**usage, "total_tokens": total + error}

    rating = rated(json.dumps(wrong), "openai", Decimal(1), marginal=False)

    assert (rating.status, rating.cost_usd) == ("quarantine", None)


@given(json_values, st.sampled_from(DIALECTS), st.booleans())
def test_nonsense_gets_a_status_and_never_an_exception(
    value: object, dialect: str, stream: bool
) -> None:
    name = f"{dialect}_stream" if stream else dialect

    rating = rated(json.dumps(value), name, Decimal(1), marginal=False)

    assert rating.status in STATUSES
    assert (rating.cost_usd is None) == (rating.status in {"no_usage", "no_price", "quarantine"})


@given(st.text(max_size=40), st.sampled_from(DIALECTS))
def test_any_text_gets_a_status(text: str, dialect: str) -> None:
    assert rated(text, dialect, Decimal(1), marginal=False).status in STATUSES
