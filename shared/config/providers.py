"""Providers in leeway.yaml: the upstreams, and the options that each kind of them has."""

from collections.abc import Mapping

from shared.config import ProviderConfig
from shared.config.kinds import FLAG, NAME, POSITIVE, URL, Kind, choice, whole
from shared.config.section import Section

DEMO = "demo"
DEMO_PROVIDER = ProviderConfig(name=DEMO, kind=DEMO)

PROVIDER_OPTIONS: Mapping[str, Mapping[str, Kind[bool] | Kind[int] | Kind[float]]] = {
    "openai": {"stream_usage": FLAG},
    "anthropic": {"max_tokens": whole(1, 10_000_000)},
    DEMO: {"tokens_per_second": POSITIVE},
}

_KIND = choice(*PROVIDER_OPTIONS)


def provider_of(section: Section) -> ProviderConfig:
    """An upstream."""
    kind = section.required("kind", _KIND, "")
    return ProviderConfig(
        name=section.name("name", NAME, defines="provider"),
        kind=kind or DEMO,
        base_url=section.optional("base_url", URL, ""),
        api_key=section.secret("api_key"),
        options=_options(section.section("options"), kind),
        prices_of=section.optional("prices_of", NAME, ""),
    )


def _options(section: Section, kind: str) -> dict[str, object]:
    """Those of its kind, and the headers that every kind may add; all of them when the kind is not known."""
    if not kind:
        return section.options()
    headers = section.section("headers").options()
    given: dict[str, object] = {
        name: section.optional(name, of, None) for name, of in PROVIDER_OPTIONS[kind].items()
    }
    section.close()
    found = {name: value for name, value in given.items() if value is not None}
    return {**found, "headers": headers} if headers else found
