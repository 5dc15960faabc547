"""A usage and a book give one exact cost, or a named reason for having none."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from shared.prices.book import Book, Names, Sheet, Step, Window
from shared.prices.contract import Contract
from shared.prices.exact import decimal_text
from shared.prices.rate import Call, Rating, price_tier, rate, rate_call

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIST = {"fresh_input": "2.5", "cache_read": "1.25", "output": "10", "reasoning": "10"}
CHAT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def rates(**changes: str) -> dict[str, Decimal]:
    return {name: Decimal(rate) for name, rate in {**LIST, **changes}.items()}


def a_sheet(**changes: object) -> Sheet:
    sheet = Sheet("row", "openai", "gpt-4o", (Step(0, rates()),))
    return replace(sheet, **changes)  # type: ignore[arg-type]


def rated(
    book: Book,
    usage: Mapping[str, object] = CHAT,
    *,
    dialect: str = "openai_chat",
    tier: str = "",
    at: datetime = NOW,
    known_at: datetime | None = None,
) -> Rating:
    return rate(book, "openai", "gpt-4o", json.dumps(usage), dialect, tier, at, known_at=known_at)


def cost(rating: Rating) -> str:
    assert rating.cost_usd is not None, rating
    return decimal_text(rating.cost_usd)


def test_a_cost_is_exact_and_names_its_rows() -> None:
    rating = rated(Book([a_sheet()]))

    assert (rating.status, rating.reason, cost(rating)) == ("priced", "", "0.0035")
    assert {name: decimal_text(c) for name, c in rating.cost_by_class_usd.items()} == {
        "fresh_input": "0.0025",
        "output": "0.001",
    }
    assert rating.price_ids == {"fresh_input": "row/0/fresh_input", "output": "row/0/output"}


def test_ten_billion_tokens_are_priced_to_the_last_digit() -> None:
    usage = {
        "prompt_tokens": 9_999_999_999,
        "completion_tokens": 1,
        "total_tokens": 10_000_000_000,
    }

    assert cost(rated(Book([a_sheet()]), usage)) == "25000.0000075"


def test_zeros_cost_nothing_and_are_priced() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    rating = rated(Book([a_sheet()]), usage)

    assert (rating.status, cost(rating)) == ("priced", "0")


@pytest.mark.parametrize(
    ("sheet", "tier", "reason"),
    [
        (a_sheet(model="gpt-4"), "", "no_row_for_model"),
        (a_sheet(provider="azure"), "", "no_row_for_model"),
        (a_sheet(), "scale", "no_row_for_tier:scale"),
        (a_sheet(valid_from=NOW + timedelta(microseconds=1)), "", "no_row_valid_at"),
        (a_sheet(valid_to=NOW), "", "no_row_valid_at"),
        (a_sheet(known_to=NOW), "", "no_row_valid_at"),
        (a_sheet(steps=(Step(0, {"fresh_input": Decimal(1)}),)), "", "no_row_for_class:output"),
    ],
)
def test_what_has_no_row_has_no_price(sheet: Sheet, tier: str, reason: str) -> None:
    rating = rated(Book([sheet]), tier=tier)

    assert (rating.status, rating.reason, rating.cost_usd) == ("no_price", reason, None)
    assert rating.tokens == {"fresh_input": 1000, "output": 100}


def test_audio_is_never_priced_as_text() -> None:
    usage = {**CHAT, "prompt_tokens_details": {"audio_tokens": 700}}

    assert rated(Book([a_sheet()]), usage).reason == "no_row_for_class:audio_in"


def test_a_price_holds_from_its_first_instant_to_before_its_last() -> None:
    change = datetime(2025, 6, 10, tzinfo=UTC)
    old = a_sheet(sheet_id="old", steps=(Step(0, rates(output="40")),), valid_to=change)
    new = a_sheet(sheet_id="new", valid_from=change)
    book = Book([old, new])

    assert cost(rated(book, at=change)) == "0.0035"
    assert cost(rated(book, at=change - timedelta(microseconds=1))) == "0.0065"


def test_a_price_can_be_asked_as_it_was_known() -> None:
    learnt = datetime(2026, 11, 2, tzinfo=UTC)
    wrong = a_sheet(steps=(Step(0, rates(output="40")),), known_to=learnt)
    right = a_sheet(known_from=learnt)
    book = Book([wrong, right])

    assert cost(rated(book)) == "0.0035"
    assert cost(rated(book, known_at=NOW)) == "0.0065"
    assert cost(rated(book, known_at=learnt)) == "0.0035"


def test_a_part_of_the_day_has_its_own_price_in_utc() -> None:
    night = Window(time(16, 30), time(0, 30))
    book = Book([a_sheet(), a_sheet(window=night, steps=(Step(0, rates(output="5")),))])
    at_1700 = datetime(2026, 11, 1, 9, tzinfo=timezone(timedelta(hours=-8)))

    assert cost(rated(book, at=at_1700)) == "0.003"
    assert cost(rated(book, at=NOW.replace(hour=0, minute=29))) == "0.003"
    assert cost(rated(book, at=NOW.replace(hour=0, minute=30))) == "0.0035"


@pytest.mark.parametrize(("prompt", "expected"), [(200_000, "0.25"), (200_001, "0.5000025")])
def test_a_cliff_moves_the_whole_call_strictly_above_its_edge(prompt: int, expected: str) -> None:
    steps = (Step(0, rates(fresh_input="1.25")), Step(200_000, rates(fresh_input="2.5")))
    usage = {"prompt_tokens": prompt, "completion_tokens": 0}

    assert cost(rated(Book([a_sheet(steps=steps)]), usage)) == expected


def test_a_marginal_step_moves_only_the_tokens_beyond_its_edge() -> None:
    steps = (
        Step(0, rates(fresh_input="1", cache_read="0.1", output="10")),
        Step(1000, rates(fresh_input="2", cache_read="0.2", output="20")),
    )
    usage = {
        "prompt_tokens": 1600,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 400},
    }

    rating = rated(Book([a_sheet(steps=steps, marginal=True)]), usage)

    # 400 cached and 600 fresh below the edge, 600 fresh above it, the output below.
    assert cost(rating) == "0.00284"
    assert rating.price_ids["fresh_input"] == "row/0/fresh_input,row/1000/fresh_input"


def test_a_contracts_fixed_rate_is_not_marked_up() -> None:
    terms = Contract("c", {"output": Decimal(9)}, markup_bp=2000)
    book = Book([a_sheet()], contracts={("openai", "gpt-4o"): terms})

    rating = rated(book)

    assert cost(rating) == "0.0039"
    assert rating.price_ids == {"fresh_input": "c/fresh_input", "output": "c/output"}


def test_a_contract_prices_what_the_list_does_not_know() -> None:
    terms = Contract("c", {"fresh_input": Decimal(1), "output": Decimal(2)})
    book = Book([], contracts={("openai", "gpt-4o"): terms})

    assert cost(rated(book)) == "0.0012"
    cached = {**CHAT, "prompt_tokens_details": {"cached_tokens": 10}}
    assert rated(book, cached).reason == "no_row_for_class:cache_read"


@pytest.mark.parametrize(
    ("reported", "status", "reason"),
    [
        (0.014, "reported", ""),
        (0.000875, "reported", ""),
        (0.0140001, "quarantine", "reported_cost_out_of_band"),
        (0.0008749, "quarantine", "reported_cost_out_of_band"),
        (0, "quarantine", "reported_cost_out_of_band"),
    ],
)
def test_a_reported_cost_is_believed_within_four_times_the_list(
    reported: float, status: str, reason: str
) -> None:
    rating = rated(Book([a_sheet()]), {**CHAT, "cost": reported}, dialect="openrouter")

    assert (rating.status, rating.reason) == (status, reason)
    assert rating.tokens == {"fresh_input": 1000, "output": 100}


def test_a_reported_cost_without_a_list_price_is_flagged() -> None:
    rating = rated(Book([]), {**CHAT, "cost": 0.5}, dialect="openrouter")

    assert (rating.status, rating.reason) == ("reported", "unchecked:no_row_for_model")
    assert rating.cost_by_class_usd == {"reported": Decimal("0.5")}


def test_gemini_images_cost_as_text_unless_they_are_listed() -> None:
    usage = {
        "promptTokenCount": 30,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10},
            {"modality": "IMAGE", "tokenCount": 20},
        ],
    }
    listed = a_sheet(steps=(Step(0, rates(image_in="4")),))

    assert rated(Book([a_sheet()]), usage, dialect="gemini").tokens == {"fresh_input": 30}
    assert rated(Book([listed]), usage, dialect="gemini").tokens == {
        "fresh_input": 10,
        "image_in": 20,
    }


@pytest.mark.parametrize(
    ("names", "tier"),
    [
        (("",), "default"),
        (("default", "standard"), "default"),
        (("ON_DEMAND",), "default"),
        (("ON_DEMAND_FLEX",), "flex"),
        (("priority", "priority"), "priority"),
        (("batch", "us"), "batch+us"),
    ],
)
def test_a_tier_is_named_once_however_providers_say_it(names: tuple[str, ...], tier: str) -> None:
    assert price_tier(*names) == tier


def a_call(**changes: object) -> Call:
    call = Call("openai", ("gpt-4o",), json.dumps(CHAT), "openai", "", NOW)
    return replace(call, **changes)  # type: ignore[arg-type]


def test_a_call_is_priced_by_the_truest_name_that_is_known() -> None:
    mini = a_sheet(model="mini", steps=(Step(0, rates(output="1")),))
    book = Book([a_sheet(), mini])

    assert cost(rate_call(book, a_call(models=("mini", "gpt-4o")))) == "0.0026"
    assert cost(rate_call(book, a_call(models=("unheard-of", "", "gpt-4o")))) == "0.0035"
    assert rate_call(book, a_call(models=("unheard-of",))).reason == "no_row_for_model"
    assert rate_call(book, a_call(models=())).reason == "no_row_for_model"


def test_a_near_name_is_another_model() -> None:
    book = Book([a_sheet()], Names(models={("openai", "gpt-4o-2024-08-06"): "gpt-4o"}))

    assert rate_call(book, a_call(models=("gpt-4o-2024-08-06",))).status == "priced"
    assert rate_call(book, a_call(models=("gpt-4o-2099-01-01",))).reason == "no_row_for_model"
    assert rate_call(book, a_call(models=("gpt-4",))).reason == "no_row_for_model"


def test_a_call_without_a_provider_is_priced_when_only_one_has_the_model() -> None:
    assert rate_call(Book([a_sheet()]), a_call(provider="")).status == "priced"


def test_a_call_without_a_provider_is_its_makers_when_several_have_the_model() -> None:
    resold = a_sheet(sheet_id="dear", provider="reseller", steps=(Step(0, rates(output="99")),))
    sheets = [resold, a_sheet()]

    assert rate_call(Book(sheets), a_call(provider="")).status == "no_price"
    made = Book(sheets, Names(makers=("openai",)))
    assert cost(rate_call(made, a_call(provider=""))) == "0.0035"


def test_an_output_that_was_never_told_is_estimated_and_flagged() -> None:
    usage = json.dumps({"input_tokens": 1000, "output_tokens": 1})
    cut = a_call(usage_json=usage, dialect="anthropic", ended=False)

    unknown = rate_call(Book([a_sheet()]), cut)
    estimated = rate_call(Book([a_sheet()]), replace(cut, output_estimate=100))

    assert (unknown.status, unknown.reason, cost(unknown)) == (
        "partial",
        "output_unknown",
        "0.0025",
    )
    assert (estimated.status, estimated.reason, cost(estimated)) == (
        "partial",
        "output_estimated",
        "0.0035",
    )


def test_an_answer_that_nobody_counted_is_no_part_of_an_embeddings_cost() -> None:
    usage = {"gen_ai.usage.input_tokens": 1000}
    embedding = a_sheet(steps=(Step(0, {"fresh_input": Decimal("0.02")}),))

    chat, embedded = (
        rated(Book([sheet]), usage, dialect="otel") for sheet in (a_sheet(), embedding)
    )

    assert (chat.status, chat.reason, cost(chat)) == ("partial", "output_unknown", "0.0025")
    assert (embedded.status, embedded.reason, cost(embedded)) == ("priced", "", "0.00002")


def test_a_span_that_names_only_its_cost_is_reported_and_unchecked() -> None:
    rating = rated(Book([a_sheet()]), {"gen_ai.usage.cost": 0.02}, dialect="otel")

    assert (rating.status, rating.reason) == ("reported", "unchecked:no_counts")
    assert cost(rating) == "0.02"
