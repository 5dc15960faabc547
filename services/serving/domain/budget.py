"""Budgets at the gate: what a call may cost at most is held of its budgets until it is known what it did cost."""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from services.serving.domain.gate import End, Entry, Hold


class BudgetLease(Protocol):
    """The part of its tenants' budgets that this process may spend without asking again."""

    async def hold(self, entry: Entry, upper_bound_usd: Decimal | None) -> Hold:
        """Hold so much of every budget that the call is under; None: what it may cost is not known.

        Raises `Limited` when one of them has not so much left, and `Unavailable` when that cannot be told: money
        fails closed.
        """
        ...


UpperBound = Callable[[Entry], Decimal | None]
"""What a call may cost at most, in US dollars; None when a price is missing."""


class BudgetHeld:
    """Every budget that a call is under has room for it; satisfies `Check`."""

    def __init__(self, lease: BudgetLease, upper_bound: UpperBound) -> None:
        self._lease = lease
        self._upper_bound = upper_bound

    async def admit(self, entry: Entry) -> Entry:
        """The entry with its hold. Raises `Limited` and `Unavailable`."""
        return entry.holding(await self._lease.hold(entry, self._upper_bound(entry)))


class AlwaysSufficient:
    """A lease without budgets: every call has room, as long as billing leases none. Satisfies `BudgetLease`."""

    async def hold(self, entry: Entry, upper_bound_usd: Decimal | None) -> Hold:
        """A hold of nothing."""
        del entry, upper_bound_usd
        return _NOTHING


class _Nothing:
    async def settle(self, end: End) -> None:
        """There is nothing to give back."""


_NOTHING = _Nothing()
