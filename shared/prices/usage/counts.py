"""The counts of a raw usage object, read one by one, and the checks that must hold between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from shared.prices.exact import decimal_places

Quantity = int | Decimal

# No single call comes near ten billion tokens; a larger count is a fault, and 2^63 overflows a column.
MAX_COUNT = 10_000_000_000
MAX_REPORTED_USD = 1_000_000
# A cost is stored with 18 decimals: an amount in USD may use them all, a quantity six of them.
USD_DECIMALS = 18
QUANTITY_DECIMALS = 6

# Why a usage is partial: what is missing is billed, and nobody counted it.
OUTPUT_UNKNOWN = "output_unknown"
INPUT_UNKNOWN = "input_unknown"


class UsageDoubtful(Exception):
    """The usage contradicts itself or is malformed: it must not be priced. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UsageMissing(Exception):
    """The provider reported no usage. `reason` says how it is missing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Metered:
    """What one call used.

    `tokens` are the quantities by class, disjoint and without zeros. `tiers` are the service tiers and
    other price keys that the usage itself names. `reported_usd` is the provider's own figure for the
    call. `partial` says what is not fully known. `same_rate` declares a class to be billed
    as another one wherever the book has no row of its own for it.
    """

    tokens: Mapping[str, Quantity]
    tiers: tuple[str, ...] = ()
    reported_usd: Decimal | None = None
    partial: str = ""
    same_rate: Mapping[str, str] = field(default_factory=dict)


class Counts:
    """An object of a raw usage whose members are counts; absent and null members count as zero.

    Every reader raises `UsageDoubtful` naming the member when its value is of the wrong kind.
    """

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, object]) -> None:
        self._members = members

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def count(self, name: str) -> int:
        """A whole number from 0 to `MAX_COUNT`; zero when absent or null."""
        return self.given(name) or 0

    def required(self, name: str) -> int:
        """A count that the dialect always has."""
        value = self.given(name)
        if value is None:
            raise UsageDoubtful(f"missing_count:{name}")
        return value

    def given(self, name: str, limit: int = MAX_COUNT) -> int | None:
        """A whole number from 0 to `limit`, or None when the provider left it out."""
        value = self._members.get(name)
        if value is None:
            return None
        # type(), not isinstance(): True is an int in Python.
        if type(value) is not int or not 0 <= value <= limit:
            raise UsageDoubtful(f"bad_count:{name}")
        return value

    def quantity(self, name: str) -> Decimal | None:
        """A number from 0 to `MAX_COUNT` that may have decimals, or None when it is left out."""
        return self._decimal(name, MAX_COUNT, QUANTITY_DECIMALS)

    def usd(self, name: str) -> Decimal | None:
        """An amount of USD from 0 to `MAX_REPORTED_USD`, or None when it is left out."""
        return self._decimal(name, MAX_REPORTED_USD, USD_DECIMALS)

    def _decimal(self, name: str, limit: int, decimals: int) -> Decimal | None:
        value = self._members.get(name)
        if value is None:
            return None
        if type(value) is not int and not isinstance(value, Decimal):
            raise UsageDoubtful(f"bad_count:{name}")
        amount = Decimal(value)
        if not 0 <= amount <= limit or decimal_places(amount) > decimals:
            raise UsageDoubtful(f"bad_count:{name}")
        return amount

    def text(self, name: str) -> str:
        """A string; empty when absent or null."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, str):
            raise UsageDoubtful(f"bad_text:{name}")
        return value or ""

    def flag(self, name: str) -> bool:
        """A boolean; false when absent or null."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, bool):
            raise UsageDoubtful(f"bad_flag:{name}")
        return bool(value)

    def part(self, *names: str) -> Self:
        """The first of the named objects that is there; an empty one when none is."""
        for name in names:
            value = self._members.get(name)
            if value is None:
                continue
            if not isinstance(value, Mapping):
                raise UsageDoubtful(f"bad_object:{name}")
            return type(self)(value)
        return type(self)({})

    def parts(self, name: str) -> list[Self]:
        """A list of objects; empty when absent or null."""
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise UsageDoubtful(f"bad_list:{name}")
        return [type(self)(item) for item in value]


def require(holds: bool, reason: str) -> None:  # noqa: FBT001 - the condition is the argument
    """Raise `UsageDoubtful` with the reason unless the check holds."""
    if not holds:
        raise UsageDoubtful(reason)


def require_total(given: int | None, parts: int) -> None:
    """The provider's total, when it gives one, must be the sum of what it consists of."""
    require(given is None or given == parts, "total_mismatch")


def disjoint(classes: Iterable[tuple[str, Quantity]]) -> dict[str, Quantity]:
    """The classes that were used; a negative one means that its parts exceed their whole."""
    used: dict[str, Quantity] = {}
    for name, quantity in classes:
        if quantity < 0:
            raise UsageDoubtful("subset_exceeds_parent")
        if quantity:
            used[name] = quantity
    return used
