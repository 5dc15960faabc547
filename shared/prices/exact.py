"""Exact numbers: JSON read without floats, arithmetic that refuses to round, one way to write a decimal."""

import json
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

# Sixty digits hold ten billion tokens at a rate of 18 decimals with room to spare.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


def read_json(text: str) -> object:
    """The value of a JSON text, fractions as `Decimal`.

    Raises `ValueError` for what is no JSON (RFC 8259), for NaN and infinities, and for an object that
    names a member twice, which readers disagree about (RFC 7493 section 2.3).
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as fault:
        raise ValueError("The JSON is nested too deeply.") from fault


def decimal_text(value: Decimal) -> str:
    """The canonical text of a decimal: no exponent, no trailing zeros, no negative zero.

    >>> decimal_text(Decimal("1.50E-7")), decimal_text(Decimal("2E+3")), decimal_text(Decimal("-0.0"))
    ('0.00000015', '2000', '0')
    """
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_places(value: Decimal) -> int:
    """How many digits stand behind the point, trailing zeros aside.

    >>> decimal_places(Decimal("1.50")), decimal_places(Decimal("2E+3")), decimal_places(Decimal("1E-9"))
    (1, 0, 9)
    """
    text = decimal_text(value)
    return len(text) - text.index(".") - 1 if "." in text else 0


def cost_usd(rate_per_million_usd: Decimal, quantity: int | Decimal) -> Decimal:
    """The cost of a quantity at a rate per million, exactly; raises `Inexact` rather than round."""
    return EXACT.scaleb(EXACT.multiply(rate_per_million_usd, quantity), -6)


def total(amounts: list[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as fault:
        raise ValueError(f"The number {text[:40]} is beyond all bounds.") from fault


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON.")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("The JSON names a member twice.")
    return members


_DECODER = json.JSONDecoder(
    parse_float=_fraction, parse_constant=_refuse_constant, object_pairs_hook=_members
)
