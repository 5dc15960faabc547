"""The book that ships: frozen, dated, exactly named, and overruled by the installation's own prices."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.config import Config, ModelConfig, PriceConfig, ProviderConfig, RouteConfig
from shared.errors import Invalid
from shared.prices.book import Book, NoPrice
from shared.prices.classes import CLASSES
from shared.prices.exact import decimal_places, decimal_text
from shared.prices.rate import rate
from shared.prices.seed import MAX_RATE_DECIMALS, SEED, installed_book, read_seed
from shared.prices.unpriced import unpriced, unpriced_warning

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FROZEN = read_seed()


def listed(
    provider: str, model: str, token_class: str, *, tier: str = "default", at: datetime = NOW
) -> str:
    quote = Book(FROZEN.sheets, FROZEN.names).quote(provider, model, tier, at)
    row = quote.rate(token_class, quote.steps[0])
    assert row is not None, f"{token_class} has no row"
    return decimal_text(row[1])


def installed(**changes: object) -> Book:
    return installed_book(Config(**changes), FROZEN)  # type: ignore[arg-type]


def test_the_seed_says_what_it_was_built_from() -> None:
    source = json.loads(SEED.read_text())["source"]

    assert (source["package"], source["version"]) == ("genai-prices", "0.2.3")
    assert source["retrieved"] == "2026-11-24"


def test_no_rate_is_finer_than_a_cost_can_store() -> None:
    rates = [
        rate for sheet in FROZEN.sheets for step in sheet.steps for rate in step.rates.values()
    ]

    assert len(rates) > 10_000
    assert max(decimal_places(rate) for rate in rates) == MAX_RATE_DECIMALS
    assert min(rates) >= 0


def test_no_two_rows_have_one_id() -> None:
    ids = [sheet.sheet_id for sheet in FROZEN.sheets]

    assert len(ids) == len(set(ids))


def test_every_sheet_starts_at_its_first_token() -> None:
    for sheet in FROZEN.sheets:
        edges = [step.above for step in sheet.steps]
        assert edges == sorted(edges), sheet.sheet_id
        assert edges[0] == 0, sheet.sheet_id


def test_a_price_change_has_its_date() -> None:
    before, after = datetime(2025, 6, 9, 23, tzinfo=UTC), datetime(2025, 6, 10, tzinfo=UTC)

    assert listed("openai", "o3", "output", at=before) == "40"
    assert listed("openai", "o3", "output", at=after) == "8"


def test_a_served_tier_has_its_own_rates() -> None:
    assert listed("openai", "o3", "fresh_input", tier="flex") == "1"
    with pytest.raises(NoPrice, match="no_row_for_tier:scale"):
        listed("openai", "o3", "fresh_input", tier="scale")


def test_a_cache_write_has_the_lifetime_of_its_provider() -> None:
    assert listed("anthropic", "claude-sonnet-4-5", "cache_write_5m") == "3.75"
    assert listed("anthropic", "claude-sonnet-4-5", "cache_write_1h") == "6"
    assert listed("openai", "gpt-5.6-luna", "cache_write_30m") == "0.25"


def test_reasoning_is_declared_to_cost_as_output() -> None:
    assert listed("openai", "gpt-5", "reasoning") == listed("openai", "gpt-5", "output") == "10"


def test_a_dated_name_is_known_only_when_it_was_listed() -> None:
    book = installed()

    assert book.knows("anthropic", "claude-sonnet-4-5-20250929")
    assert book.knows("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert not book.knows("anthropic", "claude-sonnet-4-5-20991231")
    assert not book.knows("openai", "gpt-4o-mini-of-my-own")


def test_a_price_that_is_known_to_be_wrong_is_left_out() -> None:
    assert not installed().knows("deepseek", "deepseek-chat")


def test_the_demo_model_costs_something() -> None:
    usage = '{"prompt_tokens":1000000,"completion_tokens":1000000}'
    book = installed(providers=(ProviderConfig("playground", "demo"),))

    rating = rate(book, "playground", "demo", usage, "openai", "", NOW)

    assert rating.cost_usd == Decimal("0.75")


@pytest.mark.parametrize(
    ("kind", "base_url", "known"),
    [
        ("openai", "", True),
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://llm.corp.example/v1", False),
    ],
)
def test_an_upstream_has_list_prices_when_it_is_the_provider_itself(
    kind: str, base_url: str, known: bool
) -> None:
    book = installed(providers=(ProviderConfig("main", kind, base_url),))

    assert book.knows("main", "gpt-4o") is known


@pytest.mark.parametrize(
    ("kind", "base_url", "name"),
    [
        ("gemini", "", "google"),
        ("bedrock", "", "aws"),
        ("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com", "aws"),
        ("azure", "https://acme.openai.azure.com", "azure"),
        ("azure", "https://openai.azure.com.example", "own/main"),
        ("xai", "", "x-ai"),
        ("mistral", "", "mistral"),
        ("ollama", "", "ollama"),
    ],
)
def test_each_kind_of_provider_has_its_name_in_the_book(
    kind: str, base_url: str, name: str
) -> None:
    book = installed(providers=(ProviderConfig("main", kind, base_url),))

    assert book.named("main") == name


def test_a_server_of_ones_own_has_no_list_price_even_when_it_is_called_like_a_vendor() -> None:
    own = ProviderConfig("openai", "openai", "http://vllm.example/v1")
    agreed = PriceConfig("openai", "llama", {"fresh_input": Decimal(1), "output": Decimal(2)})

    book = installed(providers=(own,), prices=(agreed,))

    assert not book.knows("openai", "gpt-4o")
    assert book.knows("openai", "llama")


def test_every_class_of_the_book_is_one_that_a_usage_is_split_into() -> None:
    in_book = {name for sheet in FROZEN.sheets for step in sheet.steps for name in step.rates}

    assert in_book <= set(CLASSES)


def test_an_installations_price_wins_over_the_book() -> None:
    own = PriceConfig("openai", "gpt-4o", {"output": Decimal(1)})
    usage = '{"prompt_tokens":1000,"completion_tokens":1000}'

    rating = rate(installed(prices=(own,)), "openai", "gpt-4o", usage, "openai", "", NOW)

    assert rating.cost_usd == Decimal("0.0035")
    assert rating.price_ids["output"] == "config/openai/gpt-4o/output"


def test_an_installations_reasoning_costs_as_its_output() -> None:
    own = PriceConfig("mine", "m", {"fresh_input": Decimal(1), "output": Decimal(2)})
    usage = (
        '{"prompt_tokens":10,"completion_tokens":10,'
        '"completion_tokens_details":{"reasoning_tokens":4}}'
    )

    rating = rate(installed(prices=(own,)), "mine", "m", usage, "openai", "", NOW)

    assert rating.cost_by_class_usd["reasoning"] == Decimal("0.000008")


@pytest.mark.parametrize(
    ("token_class", "rate_usd"),
    [("output", "-1"), ("output", "0.0000000000001"), ("audio_seconds", "0.0000001")],
)
def test_a_price_that_no_cost_can_hold_is_refused(token_class: str, rate_usd: str) -> None:
    own = PriceConfig("mine", "m", {token_class: Decimal(rate_usd)})

    with pytest.raises(Invalid, match="mine/m"):
        installed(prices=(own,))


def test_a_proxy_has_the_prices_of_the_provider_that_it_names() -> None:
    proxy = ProviderConfig("gate", "openai", "https://proxy.example/v1", prices_of="openai")

    quote = installed(providers=(proxy,)).quote("gate", "gpt-4o-mini", "default", NOW)

    assert quote.sheet is not None
    assert quote.sheet.provider == "openai"


def test_prices_of_a_provider_that_the_book_does_not_have_are_refused() -> None:
    with pytest.raises(Invalid, match=r"no such provider: .*It has: anthropic, ") as caught:
        installed(providers=(ProviderConfig("gate", "openai", prices_of="opnai"),))

    assert caught.value.faults == ("providers gate: prices_of: opnai",)


def test_routes_without_a_price_are_named_and_the_others_are_not() -> None:
    config = Config(
        providers=(
            ProviderConfig("gate", "openai", "https://proxy.example/v1"),
            ProviderConfig("main", "openai"),
        ),
        models=(
            ModelConfig("large", (RouteConfig("main", "gpt-4o"), RouteConfig("gate", "gpt-4o"))),
            ModelConfig("small", (RouteConfig("gate", "mine"),)),
            ModelConfig("gpt-4o", (RouteConfig("main", "deployment-7"),)),
        ),
        prices=(PriceConfig("gate", "mine", {"output": Decimal(1)}),),
    )

    found = list(unpriced(config, installed_book(config, FROZEN)))

    assert found == ["large (gate/gpt-4o)"]
    assert unpriced_warning(iter(found)) == (
        "No price is known for large (gate/gpt-4o): calls are recorded without a cost. "
        "Set the provider's prices_of, or prices, in leeway.yaml."
    )
    assert unpriced_warning(iter(())) == ""
