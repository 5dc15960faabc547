"""The shape of leeway.yaml: `Config` from the sections of the file, with what is built in."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from shared.config import Config, ModelConfig, PriceConfig, RouteConfig
from shared.config.alerts import channel_of, rule_of
from shared.config.document import Value
from shared.config.kinds import DECIMAL, FLAG, ID, LINE, NAME, NETWORK, choice, matching, whole
from shared.config.policies import OF_MODELS, policy_in
from shared.config.providers import DEMO, DEMO_PROVIDER, provider_of
from shared.config.reading import Reading
from shared.config.section import Section
from shared.config.tenants import FIRST_TENANT, tenant_of
from shared.policy import NO_POLICY, is_no_stricter
from shared.prices.classes import CLASSES
from shared.prices.exact import decimal_places

DEMO_MODEL = ModelConfig(name=DEMO, routes=(RouteConfig(provider=DEMO, model=DEMO),))

_WEIGHT = whole(1, 1_000_000)
_TOKENS = whole(1, 1_000_000_000)
_MORE = "limits, guardrails or bounds"
_TAG = matching(r"[^\s=,]{1,64}=[^,]{0,512}", "a tag like region=eu")
_TOKEN_CLASS = choice(*CLASSES)
# Seconds have six decimals of their own, and a cost is stored with eighteen.
_SECONDS_DECIMALS = 6
_TOO_FINE = f"expected at most {_SECONDS_DECIMALS} decimals of a price per million audio_seconds."


def config_of(root: Section) -> Config:
    """The whole file. What is wrong in it is noted in the reading: the caller must look there."""
    demo = root.optional("demo", FLAG, default=True)
    providers = [provider_of(section) for section in root.sections("providers")]
    models = _models(root)
    tenants = [tenant_of(section) for section in root.sections("tenants")]
    if demo:
        providers += [DEMO_PROVIDER] if _build_in(root.reading, "provider", DEMO) else []
        models += [DEMO_MODEL] if _build_in(root.reading, "model", DEMO) else []
    if not tenants and _build_in(root.reading, "tenant", FIRST_TENANT.tenant):
        tenants = [FIRST_TENANT]
    alerts = root.section("alerts")
    allow = alerts.many("allow_networks", NETWORK)
    config = Config(
        providers=tuple(providers),
        models=tuple(models),
        tenants=tuple(tenants),
        channels=tuple(channel_of(section, allow) for section in alerts.sections("channels")),
        rules=tuple(rule_of(section) for section in alerts.sections("rules")),
        prices=tuple(_price(section) for section in root.sections("prices")),
        webhook_allow=allow,
        secrets=root.reading.secrets,
    )
    alerts.close()
    return config


def _build_in(reading: Reading, kind: str, name: str) -> bool:
    """Define what the file did not define itself; whether it was needed."""
    needed = not reading.defines(kind, name)
    reading.define(kind, name)
    return needed


def _models(root: Section) -> list[ModelConfig]:
    read = [(_model(section), section.find("fallbacks")) for section in root.sections("models")]
    _refuse_cycles(root.reading, read)
    _refuse_stricter(root.reading, read)
    return [model for model, _ in read]


def _model(section: Section) -> ModelConfig:
    section.refer("fallbacks", "model")
    routes = tuple(_route(route) for route in section.sections("routes"))
    section.demand("routes", "a list of at least one provider and model")
    if not routes:
        section.fault("routes", "expected at least one provider and model.")
    return ModelConfig(
        name=section.name("name", NAME, defines="model"),
        routes=routes,
        fallbacks=section.many("fallbacks", NAME),
        policy=policy_in(section, OF_MODELS),
    )


def _route(section: Section) -> RouteConfig:
    section.refer("provider", "provider")
    section.refer("tenants", "tenant")
    return RouteConfig(
        provider=section.required("provider", NAME, ""),
        model=section.required("model", LINE, ""),
        weight=section.optional("weight", _WEIGHT, 1),
        tenants=section.many("tenants", ID),
        tags=section.many("tags", _TAG),
        max_input_tokens=section.optional("max_input_tokens", _TOKENS, None),
    )


def _price(section: Section) -> PriceConfig:
    price = PriceConfig(
        provider=section.required("provider", NAME, ""),
        model=section.required("model", LINE, ""),
        rates_per_million_usd=section.table("rates_per_million_usd", _TOKEN_CLASS, DECIMAL),
    )
    section.demand("rates_per_million_usd", "a mapping from a class of tokens to US dollars")
    seconds = price.rates_per_million_usd.get("audio_seconds", Decimal(0))
    if decimal_places(seconds) > _SECONDS_DECIMALS:
        section.fault("rates_per_million_usd", _TOO_FINE)
    model = section.find("model")
    if model is not None:
        section.reading.define("price", f"{price.provider}/{price.model}", model)
    return price


def _refuse_cycles(reading: Reading, models: Sequence[tuple[ModelConfig, Value | None]]) -> None:
    """A model that falls back to itself, by whatever way, could be tried for ever."""
    fallbacks = {model.name: model.fallbacks for model, _ in models}
    order = list(fallbacks)
    for model, place in models:
        way = _way_back(model.name, fallbacks)
        first = min(way, key=order.index, default="")
        if place is not None and way and model.name == first:
            reading.fault(place, f"the model falls back to itself: {' -> '.join(way)}.")


def _refuse_stricter(reading: Reading, models: Sequence[tuple[ModelConfig, Value | None]]) -> None:
    """A call is let in by the model that it names: no fallback may want more of it than that did."""
    policies = {model.name: model.policy for model, _ in models}
    for model, place in models:
        for name in model.fallbacks:
            its = policies.get(name, NO_POLICY)
            if place is not None and not is_no_stricter(its, model.policy):
                reading.fault(place, f"'{name}' has {_MORE} that '{model.name}' does not have.")


def _way_back(name: str, fallbacks: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A shortest way from a model along its fallbacks back to it; empty when there is none.

    >>> _way_back("a", {"a": ("b",), "b": ("c", "a"), "c": ()})
    ('a', 'b', 'a')
    """
    seen = set[str]()
    ways: list[tuple[str, ...]] = [(name,)]
    for way in ways:
        for after in fallbacks.get(way[-1], ()):
            if after == name:
                return (*way, name)
            if after not in seen:
                seen.add(after)
                ways.append((*way, after))
    return ()
