"""Providers in leeway.yaml: the upstreams, and the options that each kind of them has."""

from collections.abc import Mapping

from shared.config import ProviderConfig
from shared.config.document import Value
from shared.config.kinds import FLAG, ID, LINE, NAME, POSITIVE, URL, Kind, choice, whole
from shared.config.section import Section

DEMO = "demo"
DEMO_PROVIDER = ProviderConfig(name=DEMO, kind=DEMO)

_STREAM_USAGE: Mapping[str, Kind[object]] = {"stream_usage": FLAG}

# The kinds that answer, each with its options beside those that every kind has (`headers`, `api_keys`,
# `max_concurrency`, `http2`).
PROVIDER_OPTIONS: Mapping[str, Mapping[str, Kind[object]]] = {
    "openai": _STREAM_USAGE,
    "azure": {**_STREAM_USAGE, "api_version": LINE},
    "anthropic": {"max_tokens": whole(1, 10_000_000)},
    "gemini": {},
    "bedrock": {"region": ID},
    "mistral": _STREAM_USAGE,
    "deepseek": _STREAM_USAGE,
    "groq": _STREAM_USAGE,
    "together": _STREAM_USAGE,
    "openrouter": _STREAM_USAGE,
    "xai": _STREAM_USAGE,
    "ollama": _STREAM_USAGE,
    "vllm": _STREAM_USAGE,
    "compatible": _STREAM_USAGE,
    DEMO: {"tokens_per_second": POSITIVE},
}
# Options that are secrets: `${NAME}` references, like `api_key`.
_SECRETS: Mapping[str, tuple[str, ...]] = {
    "bedrock": ("access_key_id", "secret_access_key", "session_token"),
}
_WITHOUT_AN_ADDRESS = frozenset(("azure", "compatible"))
_NEEDED: Mapping[str, tuple[str, str]] = {"bedrock": ("region", "a region like eu-west-1")}

_KIND = choice(*PROVIDER_OPTIONS)


def provider_of(section: Section) -> ProviderConfig:
    """An upstream."""
    kind = section.required("kind", _KIND, "")
    if kind in _WITHOUT_AN_ADDRESS:
        section.demand("base_url", f"a URL: a provider of kind {kind} has no address of its own")
    return ProviderConfig(
        name=section.name("name", NAME, defines="provider"),
        kind=kind or DEMO,
        base_url=section.optional("base_url", URL, ""),
        api_key=section.secret("api_key"),
        options=_options(_options_of(section, kind), kind),
        prices_of=section.optional("prices_of", NAME, ""),
    )


def _options_of(section: Section, kind: str) -> Section:
    if kind in _NEEDED:
        section.demand("options", f"{_NEEDED[kind][0]}, {_NEEDED[kind][1]}")
    return section.section("options")


def _options(section: Section, kind: str) -> dict[str, object]:
    """Those of its kind, and those that every kind may have; all of them when the kind is not known."""
    if not kind:
        return section.options()
    given: dict[str, object] = {
        **{name: section.optional(name, of, None) for name, of in PROVIDER_OPTIONS[kind].items()},
        **{name: section.secret(name) or None for name in _SECRETS.get(kind, ())},
        "max_concurrency": section.optional("max_concurrency", _AT_ONCE, None),
        "http2": section.optional("http2", FLAG, None),
        **_keys(section),
        "headers": section.section("headers").options() or None,
    }
    if kind in _NEEDED:
        section.demand(*_NEEDED[kind])
    section.close()
    return {name: value for name, value in given.items() if value is not None}


def _keys(section: Section) -> dict[str, object]:
    """The references of a pool of keys, and their weights where they have any."""
    value = section.find("api_keys")
    if value is None:
        return {}
    if value.type != "seq":
        section.fault("api_keys", "expected a list of references like ${NAME}.")
    keys = [_key(section, item) for item in value.items()]
    weighted = any(weight != 1 for _, weight in keys)
    return {
        "api_keys": [reference for reference, _ in keys] or None,
        "key_weights": [weight for _, weight in keys] if weighted else None,
    }


def _key(section: Section, item: Value) -> tuple[str, int]:
    """A reference, or a mapping of a reference and its weight."""
    if item.type != "map":
        return section.reading.reference(item), 1
    inner = Section(section.reading, item)
    inner.demand("key", "a reference like ${NAME}")
    reference, weight = inner.secret("key"), inner.optional("weight", _WEIGHT, 1)
    inner.close()
    return reference, weight


_AT_ONCE = whole(1, 1_000_000)
_WEIGHT = whole(1, 1_000_000)
