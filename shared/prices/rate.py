"""Rating: raw usage and a price book in, an exact cost or a named reason for having none out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from shared.prices.book import Book, NoPrice, Quote, Step
from shared.prices.classes import INPUT_CLASSES
from shared.prices.exact import EXACT, cost_usd, total
from shared.prices.usage.counts import (
    OUTPUT_UNKNOWN,
    Metered,
    Quantity,
    UsageDoubtful,
    UsageMissing,
)
from shared.prices.usage.dialects import dialect_of, meter

# A provider's own figure is taken within this factor of the list, and else reviewed by people.
REPORTED_BAND = 4


@dataclass(frozen=True, slots=True)
class Call:
    """What must be known of a call to price it.

    `models` are its names, the truest first: what the provider says answered, what was asked of the
    provider, what the caller asked for. The first that the book knows under the provider is priced.
    `at` is when the call started. `ended` is false when the answer was cut off before its end; then
    `output_estimate` stands for an output that the provider never told, if it is not zero. `kept` says that a
    cache answered it: no provider was asked, and nothing used.
    """

    provider: str
    models: tuple[str, ...]
    usage_json: str
    dialect: str
    service_tier: str
    at: datetime
    ended: bool = True
    output_estimate: int = 0
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Rating:
    """What a call used and cost.

    `status` is priced, partial (certain as far as it goes), reported (the provider's own figure),
    no_usage, no_price or quarantine; `cost_usd` is None in the last three. `tokens` are quantities by
    disjoint class, and `cost_by_class_usd` adds up to `cost_usd` exactly.
    """

    status: str
    reason: str = ""
    cost_usd: Decimal | None = None
    tokens: Mapping[str, Quantity] = field(default_factory=dict)
    cost_by_class_usd: Mapping[str, Decimal] = field(default_factory=dict)
    price_ids: Mapping[str, str] = field(default_factory=dict)


def rate_call(book: Book, call: Call) -> Rating:
    """The rating of a call by the first of its names that the book knows; what a cache answered costs nothing."""
    if call.kept:
        return Rating("priced", "a cache answered", Decimal(0))
    names = [name for name in call.models if name]
    for name in names:
        provider = call.provider or book.provider_of(name)
        if book.knows(provider, name):
            return _rate_as(book, call, provider, name)
    return _rate_as(book, call, call.provider, names[0] if names else "")


def rate(
    book: Book,
    provider: str,
    model: str,
    usage_json: str,
    dialect: str,
    service_tier: str,
    at: datetime,
    *,
    ended: bool = True,
    output_estimate: int = 0,
    known_at: datetime | None = None,
) -> Rating:
    """The rating of a raw usage, by exact arithmetic and without rounding.

    `known_at` prices as the book was known then; None is the latest knowledge.
    """
    try:
        spoken = dialect_of(dialect, book.named(provider), model)
        metered = _estimated(meter(usage_json, spoken, ended=ended), output_estimate)
    except UsageMissing as missing:
        return Rating("no_usage", missing.reason)
    except UsageDoubtful as doubt:
        return Rating("quarantine", doubt.reason)
    tier = price_tier(service_tier, *metered.tiers)
    try:
        listed = _listed(book.quote(provider, model, tier, at, known_at), metered)
    except NoPrice as missing:
        return _unlisted(metered, missing.reason)
    return listed if metered.reported_usd is None else _reported(metered.reported_usd, listed)


def price_tier(*names: str) -> str:
    """The service tier to price by: the distinct names other than the standard one, joined.

    >>> price_tier("default", "standard"), price_tier("", "flex"), price_tier("batch", "us")
    ('default', 'flex', 'batch+us')
    """
    if not any(names):
        return "default"
    special = dict.fromkeys(
        _TIER_NAMES.get(name.lower(), name.lower())
        for name in names
        if name and name.lower() not in _STANDARD_TIERS
    )
    return "+".join(special) or "default"


def _rate_as(book: Book, call: Call, provider: str, model: str) -> Rating:
    return rate(
        book,
        provider,
        model,
        call.usage_json,
        call.dialect,
        call.service_tier,
        call.at,
        ended=call.ended,
        output_estimate=call.output_estimate,
    )


def _estimated(metered: Metered, output: int) -> Metered:
    if metered.partial != OUTPUT_UNKNOWN or not output:
        return metered
    return replace(metered, tokens={**metered.tokens, "output": output}, partial="output_estimated")


def _listed(quote: Quote, metered: Metered) -> Rating:
    """The cost by the book. Raises `NoPrice` when a class that was used has no row."""
    tokens = _with_same_rates(quote, metered)
    costs: dict[str, Decimal] = {}
    price_ids: dict[str, str] = {}
    for token_class, quantity, step in _portions(quote, tokens):
        row = quote.rate(token_class, step)
        if row is None:
            raise NoPrice(f"no_row_for_class:{token_class}")
        price_id, per_million_usd = row
        cost = cost_usd(per_million_usd, quantity)
        if token_class in costs:
            costs[token_class] = EXACT.add(costs[token_class], cost)
            price_ids[token_class] += f",{price_id}"
        else:
            costs[token_class] = cost
            price_ids[token_class] = price_id
    partial = _matters(metered.partial, quote)
    status = "partial" if partial else "priced"
    return Rating(status, partial, total([*costs.values()]), tokens, costs, price_ids)


def _matters(partial: str, quote: Quote) -> str:
    """Why the usage is partial, if that can change the cost: an embedding has no output to be billed."""
    no_output = quote.rate("output", quote.steps[0]) is None
    return "" if partial == OUTPUT_UNKNOWN and no_output else partial


def _with_same_rates(quote: Quote, metered: Metered) -> Mapping[str, Quantity]:
    """The quantities, those of a class without a row counted with the one it is declared to cost as."""
    if not metered.same_rate:
        return metered.tokens
    tokens: dict[str, Quantity] = {}
    for name, quantity in metered.tokens.items():
        other = metered.same_rate.get(name)
        own_row = other is None or quote.rate(name, quote.steps[0]) is not None
        billed_as = name if own_row or other is None else other
        tokens[billed_as] = tokens.get(billed_as, 0) + quantity
    return tokens


def _portions(quote: Quote, tokens: Mapping[str, Quantity]) -> Iterator[tuple[str, Quantity, Step]]:
    """The parts of the quantities, each with the step whose rates it pays."""
    steps = quote.steps
    if len(steps) == 1:
        for name, quantity in tokens.items():
            yield name, quantity, steps[0]
    elif quote.marginal:
        yield from _marginal_portions(steps, tokens)
    else:
        whole = sum(tokens.get(name, 0) for name in INPUT_CLASSES)
        step = next((step for step in reversed(steps) if whole > step.above), steps[0])
        for name, quantity in tokens.items():
            yield name, quantity, step


def _marginal_portions(
    steps: tuple[Step, ...], tokens: Mapping[str, Quantity]
) -> Iterator[tuple[str, Quantity, Step]]:
    """Each token of the prompt pays by its place in it; what is no input pays by the first step."""
    place: Quantity = 0
    for name in INPUT_CLASSES:
        end = place + tokens.get(name, 0)
        for step, following in zip(steps, (*steps[1:], None), strict=True):
            edge = end if following is None else min(end, following.above)
            inside = edge - max(place, step.above)
            if inside > 0:
                yield name, inside, step
        place = end
    for name, quantity in tokens.items():
        if name not in INPUT_CLASSES:
            yield name, quantity, steps[0]


def _reported(reported: Decimal, listed: Rating) -> Rating:
    """The provider's own figure, when it is near enough to the list to be believed."""
    if not listed.tokens:
        return _as_reported(reported, {}, "unchecked:no_counts")
    by_list = listed.cost_usd or Decimal(0)
    low, high = EXACT.multiply(reported, REPORTED_BAND), EXACT.multiply(by_list, REPORTED_BAND)
    if low < by_list or reported > high:
        return Rating("quarantine", "reported_cost_out_of_band", tokens=listed.tokens)
    return _as_reported(reported, listed.tokens, listed.reason)


def _unlisted(metered: Metered, reason: str) -> Rating:
    if metered.reported_usd is None:
        return Rating("no_price", reason, tokens=metered.tokens)
    return _as_reported(metered.reported_usd, metered.tokens, f"unchecked:{reason}")


def _as_reported(reported: Decimal, tokens: Mapping[str, Quantity], reason: str) -> Rating:
    return Rating(
        "reported",
        reason,
        reported,
        tokens,
        cost_by_class_usd={"reported": reported},
        price_ids={"reported": "provider"},
    )


# The names under which providers report that a call was served at list price.
_STANDARD_TIERS = frozenset({"default", "standard", "on_demand", "traffic_type_unspecified"})
_TIER_NAMES: Mapping[str, str] = {
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
