"""The frozen price book that ships with Leeway, and the book of one installation built on it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.config import Config, PriceConfig, ProviderConfig
from shared.errors import Invalid
from shared.prices.book import Book, Names, Sheet, Step, Window
from shared.prices.contract import Contract
from shared.prices.exact import decimal_places

# Per token six decimals more: the 18 with which a cost is stored.
MAX_RATE_DECIMALS = 12

# Where every customer, or every region, has a host of its own.
_REGIONAL_HOSTS: Mapping[str, str] = {
    ".openai.azure.com": "azure",
    ".cognitiveservices.azure.com": "azure",
    ".services.ai.azure.com": "azure",
    ".amazonaws.com": "aws",
}

SEED = Path(__file__).with_name("seed.json")


@dataclass(frozen=True, slots=True)
class Seed:
    """The frozen rows and names; `hosts` maps the providers' own hosts to the book's names of them."""

    sheets: tuple[Sheet, ...]
    names: Names
    hosts: Mapping[str, str]


def installed_book(config: Config, seed: Seed | None = None) -> Book:
    """The book of an installation: the seed, its upstreams' names, and its own prices over both."""
    seed = seed or read_seed()
    _refuse_unknown(config.providers, seed)
    upstreams = {provider.name: _provider_behind(provider, seed) for provider in config.providers}
    names = Names(
        providers={**seed.names.providers, **upstreams},
        models=seed.names.models,
        makers=seed.names.makers,
    )
    contracts = {(price.provider, price.model): _contract(price) for price in config.prices}
    return Book(seed.sheets, names, contracts)


def read_seed(path: Path = SEED) -> Seed:
    """The seed, parsed; it takes some tens of milliseconds, so a process reads it once."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    book = document["source"]["book"]
    models = {
        (provider, other): name
        for provider, others in document["models"].items()
        for other, name in others.items()
    }
    return Seed(
        sheets=tuple(_sheets(book, document["sheets"])),
        names=Names(document["providers"], models, tuple(document["makers"])),
        hosts=document["hosts"],
    )


def _refuse_unknown(providers: Iterable[ProviderConfig], seed: Seed) -> None:
    known = sorted({sheet.provider for sheet in seed.sheets})
    faults = [
        f"providers {provider.name}: prices_of: {provider.prices_of}"
        for provider in providers
        if provider.prices_of and provider.prices_of not in known
    ]
    if faults:
        raise Invalid(
            f"The price book has no such provider: {'; '.join(faults)}. It has: {', '.join(known)}.",
            faults=tuple(faults),
        )


def _provider_behind(provider: ProviderConfig, seed: Seed) -> str:
    """The book's name of an upstream; a server of one's own has no list price, whatever it is called."""
    if provider.prices_of:
        return provider.prices_of
    if not provider.base_url:
        return seed.names.providers.get(provider.kind, provider.kind)
    host = urlsplit(provider.base_url).hostname or ""
    own = f"own/{provider.name}"
    regional = (name for suffix, name in _REGIONAL_HOSTS.items() if host.endswith(suffix))
    return seed.hosts.get(host) or next(regional, own)


def _contract(price: PriceConfig) -> Contract:
    """The installation's price; reasoning costs as output where it does not say."""
    fixed = dict(price.rates_per_million_usd)
    faults = [
        f"{name}: {rate}"
        for name, rate in fixed.items()
        if rate < 0 or decimal_places(rate) > _most_decimals(name)
    ]
    if faults:
        raise Invalid(
            f"The prices of {price.provider}/{price.model} must not be negative, nor finer than a "
            "cost's 18 decimals: at most 12 decimals per million tokens, 6 per million seconds.",
            faults=tuple(faults),
        )
    if "output" in fixed:
        fixed.setdefault("reasoning", fixed["output"])
    return Contract(f"config/{price.provider}/{price.model}", fixed)


def _most_decimals(token_class: str) -> int:
    return 6 if token_class.endswith("_seconds") else MAX_RATE_DECIMALS


def _sheets(book: str, providers: dict[str, dict[str, list[list[Any]]]]) -> Iterator[Sheet]:
    for provider, models in providers.items():
        for model, rows in models.items():
            for row in rows:
                yield _sheet(f"{book}/{provider}/{model}", provider, model, *row)


def _sheet(
    prefix: str,
    provider: str,
    model: str,
    tier: str,
    steps: Iterable[tuple[int, dict[str, str]]],
    start: str = "",
    end: str = "",
    window: str = "",
) -> Sheet:
    period = "@".join(part for part in (start or "always", window) if part)
    return Sheet(
        sheet_id=f"{prefix}/{tier}/{period}",
        provider=provider,
        model=model,
        steps=tuple(
            Step(above, {name: Decimal(rate) for name, rate in rates.items()})
            for above, rates in steps
        ),
        service_tier=tier,
        valid_from=_midnight(start),
        valid_to=_midnight(end),
        window=_window(window),
    )


def _midnight(day: str) -> datetime | None:
    return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None


def _window(text: str) -> Window | None:
    start, _, end = text.partition("-")
    return Window(time.fromisoformat(start), time.fromisoformat(end)) if text else None
