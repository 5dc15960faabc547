"""The price book: which rate holds for a model, a service tier, a class of tokens and a moment.

Rows are grouped into sheets: all classes of one (provider, model, service tier) that are valid together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal

from shared.prices.contract import Contract


class NoPrice(Exception):
    """No row of the book answers. `reason` names the first part of the key that has none."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Step:
    """The rates, USD per million by class, of calls whose total input is greater than `above` tokens."""

    above: int
    rates: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of every day, [start, end) in UTC; it may span midnight."""

    start: time
    end: time

    def __contains__(self, at: time) -> bool:
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rates of a model at a service tier over a half-open period; None is unbounded.

    `known_from` and `known_to` say when the book held them to be true. Steps ascend from above 0; a
    larger input moves the whole call to its step, or when `marginal` only the tokens beyond the edge.
    """

    sheet_id: str
    provider: str
    model: str
    steps: tuple[Step, ...]
    service_tier: str = "default"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    known_from: datetime | None = None
    known_to: datetime | None = None
    window: Window | None = None
    marginal: bool = False

    def holds(self, at: datetime, known_at: datetime | None) -> bool:
        """Whether the sheet is valid at a time, as known then, or by the latest knowledge for None."""
        if known_at is None:
            known = self.known_to is None
        else:
            known = _within(known_at, self.known_from, self.known_to)
        return known and _within(at, self.valid_from, self.valid_to)


@dataclass(frozen=True, slots=True)
class Quote:
    """What holds for one call: a sheet of the book, a contract over it, or both."""

    sheet: Sheet | None
    contract: Contract | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps by total input; a contract without a sheet has one."""
        return self.sheet.steps if self.sheet else _NO_STEPS

    @property
    def marginal(self) -> bool:
        """Whether an edge moves only the tokens beyond it."""
        return self.sheet is not None and self.sheet.marginal

    def rate(self, token_class: str, step: Step) -> tuple[str, Decimal] | None:
        """The row of a class at a step: its id and its USD per million. None when there is no row."""
        listed = step.rates.get(token_class)
        if self.contract:
            agreed = self.contract.rate(token_class, listed)
            if agreed is not None and agreed is not listed:
                return f"{self.contract.contract_id}/{token_class}", agreed
        if listed is None or self.sheet is None:
            return None
        return f"{self.sheet.sheet_id}/{step.above}/{token_class}", listed


@dataclass(frozen=True, slots=True)
class Names:
    """How calls name what the book knows: exact names only, no prefixes and no patterns.

    `providers` maps other names to the book's; `models` maps (provider, other name) to the book's id;
    `makers` are the providers to prefer, in order, when a call names a model and no provider.
    """

    providers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[tuple[str, str], str] = field(default_factory=dict)
    makers: Sequence[str] = ()


class Book:
    """Finds the quote for a call by exact names; an unknown one has no price, never a near one's."""

    def __init__(
        self,
        sheets: Iterable[Sheet],
        names: Names = Names(),
        contracts: Mapping[tuple[str, str], Contract] | None = None,
    ) -> None:
        self._names = names
        self._contracts = contracts or {}
        self._sheets: dict[tuple[str, str], dict[str, list[Sheet]]] = {}
        self._providers_of: dict[str, set[str]] = {}
        for sheet in sheets:
            tiers = self._sheets.setdefault((sheet.provider, sheet.model), {})
            tiers.setdefault(sheet.service_tier, []).append(sheet)
        for provider, model in (*self._sheets, *self._names.models, *self._contracts):
            self._providers_of.setdefault(model, set()).add(provider)

    def knows(self, provider: str, model: str) -> bool:
        """Whether the book or a contract has rows for the model under this provider."""
        return (provider, model) in self._contracts or self._key(provider, model) in self._sheets

    def named(self, provider: str) -> str:
        """The book's own name of a provider; a name that it does not know stands for itself."""
        return self._names.providers.get(provider, provider)

    def provider_of(self, model: str) -> str:
        """The provider of a model that is named without one; empty when that cannot be told.

        The only one that has the exact name, or else the first of the makers that has it.
        """
        having = self._providers_of.get(model, set())
        if len(having) == 1:
            return next(iter(having))
        return next((maker for maker in self._names.makers if maker in having), "")

    def quote(
        self,
        provider: str,
        model: str,
        service_tier: str,
        at: datetime,
        known_at: datetime | None = None,
    ) -> Quote:
        """The rates that hold for a call. Raises `NoPrice` with what there is no row for."""
        key = self._key(provider, model)
        contract = self._contracts.get((provider, model)) or self._contracts.get(key)
        try:
            return Quote(self._sheet(key, service_tier, at, known_at), contract)
        except NoPrice:
            if contract is None or not contract.fixed:
                raise
            return Quote(None, contract)

    def _key(self, provider: str, model: str) -> tuple[str, str]:
        name = self.named(provider)
        return name, self._names.models.get((name, model), model)

    def _sheet(
        self, key: tuple[str, str], service_tier: str, at: datetime, known_at: datetime | None
    ) -> Sheet:
        tiers = self._sheets.get(key)
        if tiers is None:
            raise NoPrice("no_row_for_model")
        if service_tier not in tiers:
            raise NoPrice(f"no_row_for_tier:{service_tier}")
        clock = at.astimezone(UTC).time()
        valid = [
            sheet
            for sheet in tiers[service_tier]
            if sheet.holds(at, known_at) and (sheet.window is None or clock in sheet.window)
        ]
        if not valid:
            raise NoPrice("no_row_valid_at")
        # A part of the day is an exception to the whole of it.
        return next((sheet for sheet in valid if sheet.window), valid[0])


def _within(at: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or start <= at) and (end is None or at < end)


_NO_STEPS = (Step(0, {}),)
