"""Builds shared/prices/seed.json, the frozen price book, from the pinned genai-prices package.

Run at build time only (`make prices`); the result is committed. The same input gives the same bytes.
"""

import hashlib
import importlib.metadata
import inspect
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from genai_prices import data
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

PACKAGE = "genai-prices"
PINNED = "0.2.3"
RETRIEVED = date(2026, 11, 24)
NAMES = Path(__file__).with_name("names.toml")
SEED = Path(__file__).parents[2] / "shared" / "prices" / "seed.json"

# The package's price keys as our classes, and what a rate is multiplied by to be per million.
UNITS: dict[str, tuple[tuple[str, ...], Decimal]] = {
    "input_mtok": (("fresh_input",), Decimal(1)),
    "output_mtok": (("output",), Decimal(1)),
    "output_reasoning_mtok": (("reasoning",), Decimal(1)),
    "cache_read_mtok": (("cache_read",), Decimal(1)),
    "cache_write_mtok": (("cache_write_5m", "cache_write_30m"), Decimal(1)),
    "cache_write_1h_mtok": (("cache_write_1h",), Decimal(1)),
    "input_audio_mtok": (("audio_in",), Decimal(1)),
    "output_audio_mtok": (("audio_out",), Decimal(1)),
    "cache_audio_read_mtok": (("cache_read_audio",), Decimal(1)),
    "input_image_mtok": (("image_in",), Decimal(1)),
    "output_image_mtok": (("image_out",), Decimal(1)),
    "cache_image_read_mtok": (("cache_read_image",), Decimal(1)),
    "input_video_mtok": (("video_in",), Decimal(1)),
    "output_video_mtok": (("video_out",), Decimal(1)),
    "web_searches_kcount": (("web_search",), Decimal(1000)),
    "storage_searches_kcount": (("file_search",), Decimal(1000)),
    "input_audio_hours": (("audio_seconds",), Decimal(1_000_000) / 3600),
}
# Keys that repeat another one, with direction and without.
REPEATED = frozenset({"audio_hours"})
# A cache write without a stated lifetime lives for the provider's default.
DEFAULT_TTL = {
    "anthropic": "cache_write_5m",
    "openai": "cache_write_30m",
    "azure": "cache_write_30m",
}
# Prefixes of Bedrock's inference profiles; the package matches them by a pattern of its own.
PROFILES = ("", "us.", "eu.", "apac.", "au.", "jp.", "us-gov.")

Rates = dict[int, dict[str, Decimal]]  # by the step's lower edge, then by class


@dataclass(frozen=True)
class Span:
    """One sheet to be: rates at a tier from a date to a date, in a part of the day or the whole of it."""

    tier: str
    start: date | None
    end: date | None
    window: str
    rates: Rates


class LeftOut(Exception):
    """A model that the book must not price; the message says why."""


def main() -> None:
    """Write the seed."""
    SEED.write_text(seed_text())


def seed_text() -> str:
    """The seed file's text."""
    found = importlib.metadata.version(PACKAGE)
    if found != PINNED:
        raise SystemExit(f"{PACKAGE} is {found}, not the pinned {PINNED}.")
    seed = build(data.providers, tomllib.loads(NAMES.read_text(), parse_float=Decimal))
    lines = (f" {json.dumps(key)}: {_compact(value)}" for key, value in seed.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def build(providers: Iterable[Provider], names: dict[str, Any]) -> dict[str, object]:
    """The seed as JSON-ready values, every table in the order of its keys."""
    sheets: dict[str, dict[str, list[object]]] = {}
    models: dict[str, dict[str, str]] = {}
    left_out: dict[str, dict[str, str]] = {}
    for provider in sorted(providers, key=lambda item: item.id):
        for model in sorted(provider.models, key=lambda item: item.id):
            try:
                reason = names["left_out"].get(provider.id, {}).get(model.id)
                rows = _sheets(provider.id, model, reason)
            except LeftOut as why:
                left_out.setdefault(provider.id, {})[model.id] = str(why)
                continue
            sheets.setdefault(provider.id, {})[model.id] = rows
        models[provider.id] = _other_names(provider, names, sheets.get(provider.id, {}))
    for provider_id, own in names["own"].items():
        sheets[provider_id] = {name: [["default", [[0, rates]]]] for name, rates in own.items()}
    return {
        "source": _source(left_out),
        "makers": names["makers"],
        "providers": dict(sorted(names["providers"].items())),
        "hosts": dict(sorted(names["hosts"].items())),
        "models": {key: value for key, value in sorted(models.items()) if value},
        "sheets": dict(sorted(sheets.items())),
    }


def _source(left_out: dict[str, dict[str, str]]) -> dict[str, object]:
    content = Path(inspect.getfile(data)).read_bytes()
    return {
        "book": f"{PACKAGE}-{PINNED}",
        "package": PACKAGE,
        "version": PINNED,
        "licence": "MIT",
        "retrieved": RETRIEVED.isoformat(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "note": "Rates are USD per million. The provider 'demo' is illustrative and of our own making.",
        "left_out": left_out,
    }


def _sheets(provider: str, model: ModelInfo, reason: str | None) -> list[object]:
    if reason:
        raise LeftOut(reason)
    spans = _merged(span for span in _spans(provider, model) if span.rates)
    if not spans:
        raise LeftOut("nothing that a usage counts has a rate")
    return [_row(span) for span in spans]


def _row(span: Span) -> list[object]:
    steps = [
        [above, {name: _text(rate) for name, rate in sorted(rates.items())}]
        for above, rates in sorted(span.rates.items())
    ]
    row: list[object] = [span.tier, steps, _day(span.start), _day(span.end), span.window]
    while row[-1] == "":
        row.pop()
    return row


def _spans(provider: str, model: ModelInfo) -> Iterator[Span]:
    """Every period between two dates of change, at the standard tier and at each variant's."""
    listed = (
        model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    )
    dated = [(_start(item.constraint), item) for item in listed if not _is_window(item)]
    windows = [item for item in listed if _is_window(item)]
    variants = model.price_variants or []
    starts = {start for start, _ in dated} | {_start(item.constraint) for item in variants}
    edges = [None, *sorted(start for start in starts if start), None]
    for begin, end in pairwise(edges):
        held = [item for start, item in dated if start is None or (begin and start <= begin)]
        if not held:
            continue
        standard = vars(held[-1].prices)
        yield Span("default", begin, end, "", _rates(provider, standard))
        for tier, over in _variants_at(variants, begin).items():
            yield Span(tier, begin, end, "", _rates(provider, {**standard, **over}))
        # The package does not date its windows: they are taken to belong to the latest prices.
        for item in windows if held[-1] is dated[-1][1] else []:
            window = _window(item.constraint)
            yield Span("default", begin, end, window, _rates(provider, vars(item.prices)))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The spans, those of one tier and window that follow one another at the same rates made one."""
    merged: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        earlier = merged.setdefault((span.tier, span.window), [])
        if earlier and earlier[-1].end == span.start and earlier[-1].rates == span.rates:
            earlier[-1] = replace(earlier[-1], end=span.end)
        else:
            earlier.append(span)
    return [span for of_key in merged.values() for span in of_key]


def _variants_at(variants: Iterable[Any], begin: date | None) -> dict[str, dict[str, Any]]:
    """The partial prices of each tier that hold from a date on; the first to name a key wins."""
    overrides: dict[str, dict[str, Any]] = {}
    for variant in variants:
        start = _start(variant.constraint)
        (key, tier), *rest = variant.when.items()
        active = start is None or (begin is not None and start <= begin)
        if rest or key not in ("service_tier", "processing", "speed") or tier == "default":
            continue
        if active:
            of_tier = overrides.setdefault(tier, {})
            for name, price in vars(variant.prices).items():
                of_tier.setdefault(name, price)
    return overrides


def _rates(provider: str, prices: dict[str, Any]) -> Rates:
    """The package's price keys as steps of our classes, and the classes declared equal to others."""
    given = {key: price for key, price in prices.items() if price is not None}
    unknown = sorted(given.keys() - UNITS.keys() - REPEATED)
    if unknown:
        raise LeftOut(f"its usage does not count {', '.join(unknown)}")
    if "audio_hours" in given and "input_audio_hours" not in given:
        raise LeftOut("its usage does not count audio_hours")
    edges = {0} | {tier.start for price in given.values() for tier in _tiers(price)}
    rates: Rates = {edge: {} for edge in sorted(edges)}
    for key, price in given.items():
        names, factor = _classes(provider, key)
        for edge, step in rates.items():
            step |= {name: _stored(name, _at(price, edge) * factor) for name in names}
    for step in rates.values():
        _declare_equal(provider, step)
    return {edge: step for edge, step in rates.items() if step}


def _classes(provider: str, key: str) -> tuple[tuple[str, ...], Decimal]:
    names, factor = UNITS.get(key, ((), Decimal(0)))
    if key == "cache_write_mtok" and provider in DEFAULT_TTL:
        return (DEFAULT_TTL[provider],), factor
    return names, factor


def _declare_equal(provider: str, step: dict[str, Decimal]) -> None:
    """Every provider bills reasoning as output, and Google tool prompts as prompts, unless it lists them."""
    if "output" in step:
        step.setdefault("reasoning", step["output"])
    if provider == "google" and "fresh_input" in step:
        step.setdefault("tool_input", step["fresh_input"])


def _other_names(
    provider: Provider, names: dict[str, Any], priced: dict[str, Any]
) -> dict[str, str]:
    """Exact other names of the priced models: those listed, those given, those of Bedrock's profiles."""
    others: dict[str, str] = {}
    for model in provider.models:
        if model.id in priced:
            others |= {name: model.id for name in _equals(model.match) if name != model.id}
    candidates = set(names["models"].get(provider.id, []))
    for name in priced:
        family = name.removeprefix("regional.")
        if family != name:
            candidates |= {prefix + family for prefix in PROFILES}
    for name in candidates - priced.keys() - others.keys():
        matching = [model.id for model in provider.models if model.is_match(name)]
        if len(matching) == 1 and matching[0] in priced:
            others[name] = matching[0]
    return dict(sorted(others.items()))


def _equals(clause: Any) -> set[str]:
    """The names that a match names exactly and alone."""
    if hasattr(clause, "equals"):
        return {clause.equals}
    return set().union(*map(_equals, clause.or_)) if hasattr(clause, "or_") else set()


def _tiers(price: Any) -> list[Any]:
    return price.tiers if isinstance(price, TieredPrices) else []


def _at(price: Decimal | TieredPrices, edge: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= edge), price.base)


def _stored(name: str, rate: Decimal) -> Decimal:
    """The rate as the book holds it: what is finer than 12 decimals is noise of the source's floats."""
    if name.endswith("_seconds") and rate != round(rate, 6):
        raise LeftOut("its rate per second has no end")
    return round(rate, 12)


def _start(constraint: Any) -> date | None:
    return constraint.start_date if isinstance(constraint, StartDateConstraint) else None


def _is_window(item: ConditionalPrice) -> bool:
    return isinstance(item.constraint, TimeOfDateConstraint)


def _window(constraint: Any) -> str:
    return f"{constraint.start_time:%H:%M}-{constraint.end_time:%H:%M}"


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _text(rate: Decimal) -> str:
    text = format(rate, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    main()
