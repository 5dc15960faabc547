"""Each dialect's raw usage becomes disjoint classes, or is refused with the reason."""

import json
from decimal import Decimal

import pytest

from shared.prices.usage.counts import Metered, UsageDoubtful, UsageMissing
from shared.prices.usage.dialects import dialect_of, meter

CHAT = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
ANTHROPIC = {"input_tokens": 100, "output_tokens": 50}


def metered(dialect: str, usage: object, *, ended: bool = True) -> Metered:
    return meter(json.dumps(usage), dialect, ended=ended)


def refusal(dialect: str, usage: object) -> str:
    with pytest.raises(UsageDoubtful) as refused:
        meter(usage if isinstance(usage, str) else json.dumps(usage), dialect)
    return refused.value.reason


def missing(dialect: str, usage: object) -> str:
    with pytest.raises(UsageMissing) as refused:
        meter(json.dumps(usage), dialect)
    return refused.value.reason


def test_openai_details_are_parts_of_their_side() -> None:
    usage = {
        **CHAT,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 300, "rejected_prediction_tokens": 50},
    }

    assert metered("openai_chat", usage).tokens == {
        "fresh_input": 500,
        "cache_read": 400,
        "audio_in": 100,
        "output": 200,
        "reasoning": 300,
    }


def test_openai_cache_writes_are_split_by_their_lifetime() -> None:
    details = {
        "cached_tokens": 1000,
        "cache_write_tokens": 7000,
        "cache_write_tokens_details": {"ttl_30m_tokens": 3000, "ttl_12h_tokens": 4000},
    }
    usage = {"input_tokens": 9000, "input_tokens_details": details, "output_tokens": 0}

    assert metered("openai_responses", usage).tokens == {
        "fresh_input": 1000,
        "cache_read": 1000,
        "cache_write_30m": 3000,
        "cache_write_12h": 4000,
    }


def test_openai_seconds_keep_their_decimals() -> None:
    usage = '{"type":"duration","seconds":12.34}'

    assert meter(usage, "openai").tokens == {"audio_seconds": Decimal("12.34")}


def test_realtime_modalities_must_add_up() -> None:
    usage = {
        "input_tokens": 100,
        "output_tokens": 0,
        "input_token_details": {"text_tokens": 60, "audio_tokens": 30},
    }

    assert refusal("openai_realtime", usage) == "modality_mismatch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_tokens": 1501}, "total_mismatch"),
        ({"prompt_tokens_details": {"cached_tokens": 1001}}, "subset_exceeds_parent"),
        ({"completion_tokens_details": {"reasoning_tokens": 501}}, "subset_exceeds_parent"),
        (
            {"completion_tokens_details": {"rejected_prediction_tokens": 501}},
            "subset_exceeds_parent",
        ),
        ({"prompt_tokens_details": {"cached_tokens": "7"}}, "bad_count:cached_tokens"),
        ({"prompt_tokens_details": []}, "bad_object:prompt_tokens_details"),
        ({"prompt_tokens": -5}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": True}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": "1000"}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": 1000.0}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": 2**63}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": 10_000_000_001}, "bad_count:prompt_tokens"),
        ({"prompt_tokens": None}, "missing_count:prompt_tokens"),
    ],
)
def test_a_usage_that_contradicts_itself_is_refused(
    changes: dict[str, object], reason: str
) -> None:
    assert refusal("openai_chat", {**CHAT, **changes}) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"prompt_tokens":NaN}', "invalid_json"),
        ('{"prompt_tokens":1,"prompt_tokens":2}', "invalid_json"),
        ('{"prompt_tokens":1e400}', "bad_count:prompt_tokens"),
        ("[]", "not_an_object"),
        ('"none"', "not_an_object"),
    ],
)
def test_a_text_that_is_no_usage_object_is_refused(text: str, reason: str) -> None:
    assert refusal("openai", text) == reason


def test_an_unknown_dialect_is_refused() -> None:
    assert refusal("klingon", CHAT) == "unknown_dialect:klingon"
    assert refusal("klingon_stream", []) == "unknown_dialect:klingon"


@pytest.mark.parametrize("text", ["", "  ", "null", "{}"])
def test_no_usage_is_missing_and_not_zero(text: str) -> None:
    with pytest.raises(UsageMissing, match="missing"):
        meter(text, "openai")


def test_a_usage_of_zeros_is_a_usage() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    assert metered("openai", usage).tokens == {}


def test_anthropic_input_stands_beside_the_cache() -> None:
    usage = {
        **ANTHROPIC,
        "cache_read_input_tokens": 3000,
        "cache_creation_input_tokens": 700,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 400},
        "output_tokens_details": {"thinking_tokens": 20},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9},
    }

    assert metered("anthropic", usage).tokens == {
        "fresh_input": 100,
        "cache_read": 3000,
        "cache_write_5m": 300,
        "cache_write_1h": 400,
        "output": 30,
        "reasoning": 20,
        "web_search": 2,
    }


def test_anthropic_compactions_are_added_to_the_top_level() -> None:
    iterations = [
        {"type": "message", **ANTHROPIC},
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 10},
    ]

    tokens = metered("anthropic", {**ANTHROPIC, "iterations": iterations}).tokens

    assert tokens == {"fresh_input": 1100, "output": 60}


def test_anthropic_tokens_of_another_model_are_not_priced_as_this_one() -> None:
    iterations = [{"type": "advisor_message", "model": "claude-opus-5", **ANTHROPIC}]

    assert refusal("anthropic", {**ANTHROPIC, "iterations": iterations}) == "several_models"


def test_anthropic_names_its_price_keys() -> None:
    usage = {**ANTHROPIC, "service_tier": "batch", "speed": "standard", "inference_geo": "us"}

    assert metered("anthropic", usage).tiers == ("batch", "standard", "us")


def test_gemini_thoughts_and_tools_stand_beside_prompt_and_answer() -> None:
    usage = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 400,
        "toolUsePromptTokenCount": 30,
        "candidatesTokenCount": 200,
        "thoughtsTokenCount": 50,
        "totalTokenCount": 1280,
    }

    assert metered("gemini", usage).tokens == {
        "fresh_input": 600,
        "cache_read": 400,
        "tool_input": 30,
        "output": 200,
        "reasoning": 50,
    }


def test_gemini_is_read_in_snake_case_too() -> None:
    usage = {
        "prompt_token_count": 10,
        "total_token_count": 10,
        "prompt_tokens_details": [{"modality": "TEXT"}, {"modality": "AUDIO", "token_count": 10}],
    }

    assert metered("gemini", usage).tokens == {"audio_in": 10}


def test_gemini_cached_audio_of_unknown_size_is_refused() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 50,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 40},
            {"modality": "AUDIO", "tokenCount": 60},
        ],
    }

    assert refusal("gemini", usage) == "cache_modality_unknown"


@pytest.mark.parametrize("total", [110, 410])
def test_bedrock_totals_are_seen_with_and_without_the_cache(total: int) -> None:
    usage = {
        "inputTokens": 100,
        "outputTokens": 10,
        "totalTokens": total,
        "cacheReadInputTokens": 300,
    }

    assert metered("bedrock_converse", usage).tokens == {
        "fresh_input": 100,
        "cache_read": 300,
        "output": 10,
    }


def test_bedrock_openai_models_include_the_cache() -> None:
    usage = {"inputTokens": 400, "outputTokens": 10, "cacheReadInputTokens": 300}
    dialect = dialect_of("bedrock", "aws", "openai.gpt-oss-120b-1:0")

    assert metered(dialect, usage).tokens == {"fresh_input": 100, "cache_read": 300, "output": 10}


def test_deepseek_hits_and_misses_make_the_prompt() -> None:
    usage = {**CHAT, "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100}

    assert metered("deepseek", usage).tokens == {
        "fresh_input": 100,
        "cache_read": 900,
        "output": 500,
    }
    wrong = {**usage, "prompt_cache_miss_tokens": 101}
    assert refusal("deepseek", wrong) == "cache_split_mismatch"


def test_xai_reasoning_is_outside_the_completion() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 150,
        "completion_tokens_details": {"reasoning_tokens": 30},
        "cost_in_usd_ticks": 232_856_000,
    }

    assert metered("xai_chat", usage).tokens == {"fresh_input": 100, "output": 20, "reasoning": 30}
    assert metered("xai_chat", usage).reported_usd == Decimal("0.0232856")
    assert refusal("openai_chat", usage) == "total_mismatch"


def test_mistral_connectors_stand_beside_the_prompt() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "connector_tokens": 7,
        "total_tokens": 22,
    }

    assert metered("mistral", usage).tokens == {"fresh_input": 10, "output": 5, "tool_input": 7}


def test_openrouter_adds_the_upstream_only_with_ones_own_key() -> None:
    details = {"upstream_inference_cost": 0.03}
    usage = {**CHAT, "cost": 0.006, "cost_details": details}

    assert metered("openrouter", {**usage, "is_byok": False}).reported_usd == Decimal("0.006")
    assert metered("openrouter", {**usage, "is_byok": True}).reported_usd == Decimal("0.036")
    assert refusal("openrouter", {**usage, "cost": -1}) == "bad_count:cost"


def test_otel_input_is_already_the_whole() -> None:
    usage = {
        "gen_ai.usage.input_tokens": 130_213,
        "gen_ai.usage.cache_read.input_tokens": 128_955,
        "gen_ai.usage.cache_creation.input_tokens": 1253,
        "gen_ai.usage.output_tokens": 7,
    }

    assert metered("otel", usage).tokens == {
        "fresh_input": 5,
        "cache_read": 128_955,
        "cache_write_5m": 1253,
        "output": 7,
    }


IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
TOTAL, COST = "gen_ai.usage.total_tokens", "gen_ai.usage.cost"


@pytest.mark.parametrize(
    ("usage", "tokens", "partial"),
    [
        ({IN: 9}, {"fresh_input": 9}, "output_unknown"),
        ({OUT: 4}, {"output": 4}, "input_unknown"),
        ({IN: 9, TOTAL: 13}, {"fresh_input": 9, "output": 4}, ""),
        ({OUT: 4, TOTAL: 13}, {"fresh_input": 9, "output": 4}, ""),
        ({IN: 9, OUT: 0, COST: 0.5}, {"fresh_input": 9}, ""),
    ],
)
def test_otel_never_takes_a_side_that_nobody_counted_for_nothing(
    usage: dict[str, object], tokens: dict[str, int], partial: str
) -> None:
    read = metered("otel", usage)

    assert (read.tokens, read.partial, read.reported_usd) == (tokens, partial, None)


def test_otel_without_counts_has_the_spans_own_cost_or_no_usage() -> None:
    alone = metered("otel", {COST: 0.02})

    assert (alone.tokens, alone.reported_usd) == ({}, Decimal("0.02"))
    assert missing("otel", {"gen_ai.usage.unknown": 1}) == "no_counts"
    assert refusal("otel", {IN: 9, TOTAL: 8}) == "subset_exceeds_parent"


@pytest.mark.parametrize(
    ("name", "provider", "dialect"),
    [
        ("openai", "deepseek", "deepseek"),
        ("openai_chat", "deepseek", "openai_chat"),
        ("openai", "google", "openai"),
        ("", "google", "gemini"),
        ("", "anthropic", "anthropic"),
        ("", "", "openai"),
        ("azure", "", "openai"),
        ("bedrock", "aws", "bedrock_converse"),
    ],
)
def test_a_generic_dialect_gives_way_to_the_providers_own(
    name: str, provider: str, dialect: str
) -> None:
    assert dialect_of(name, provider) == dialect


def test_a_cut_off_answer_keeps_what_was_counted() -> None:
    cut = metered("openai", CHAT, ended=False)

    assert (cut.partial, cut.tokens["output"]) == ("output_incomplete", 500)


def test_a_cut_off_anthropic_answer_has_no_output_but_a_placeholder() -> None:
    cut = metered("anthropic", {"input_tokens": 100, "output_tokens": 1}, ended=False)

    assert (cut.partial, cut.tokens) == ("output_unknown", {"fresh_input": 100})
