"""What an installation agreed on: rates of its own over the list, and a markup on the rest of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from shared.prices.exact import EXACT


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms for one model: a fixed rate wins and is never marked up; every other one is.

    `markup_bp` is in basis points (2000 is +20 %); a negative one is a discount.

    >>> terms = Contract("c1", {"output": Decimal(9)}, markup_bp=2000)
    >>> terms.rate("output", Decimal(10)), terms.rate("fresh_input", Decimal("2.5"))
    (Decimal('9'), Decimal('3.00000'))
    """

    contract_id: str
    fixed: Mapping[str, Decimal] = field(default_factory=dict)
    markup_bp: int = 0

    def rate(self, token_class: str, listed: Decimal | None) -> Decimal | None:
        """The rate per million USD under this contract; None where neither it nor the list has one."""
        fixed = self.fixed.get(token_class)
        if fixed is not None or listed is None or not self.markup_bp:
            return listed if fixed is None else fixed
        return EXACT.scaleb(EXACT.multiply(listed, 10_000 + self.markup_bp), -4)
