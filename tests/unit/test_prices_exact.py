"""Numbers are read, added and written without losing a digit."""

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prices.exact import cost_usd, decimal_places, decimal_text, read_json, total


def test_a_fraction_is_read_digit_by_digit() -> None:
    assert read_json('{"cost": 0.1}') == {"cost": Decimal("0.1")}


@pytest.mark.parametrize(
    "text",
    ['{"a":NaN}', '{"a":-Infinity}', '{"a":1,"a":2}', "{", "1e9999999999999999999", "[" * 100_000],
    ids=["nan", "infinity", "a member twice", "cut off", "beyond all bounds", "too deep"],
)
def test_what_readers_could_disagree_about_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


def test_a_number_of_five_thousand_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="digits"):
        read_json("9" * 5000)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.50E-7", "0.00000015"), ("2E+3", "2000"), ("100", "100"), ("-0.0", "0"), ("3.000", "3")],
)
def test_a_decimal_has_one_text(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=0, max_value=10**9))
def test_the_text_of_a_decimal_reads_back_as_the_same_number(value: Decimal) -> None:
    text = decimal_text(value)

    assert Decimal(text) == value
    assert decimal_text(Decimal(text)) == text
    assert decimal_places(value) <= 18


def test_the_smallest_cost_does_not_vanish() -> None:
    assert decimal_text(cost_usd(Decimal("0.02"), 8)) == "0.00000016"


def test_a_cost_that_would_have_to_be_rounded_is_an_error() -> None:
    with pytest.raises(Inexact):
        cost_usd(Decimal("1." + "3" * 58), 9_999_999_999)


def test_a_sum_of_nothing_is_zero() -> None:
    assert total([]) == 0
