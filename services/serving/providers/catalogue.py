"""The upstreams that are live, each built when it is first asked and again when it has changed."""

from collections.abc import Callable, Mapping

from services.serving.domain.failure import UpstreamFailed, misconfigured
from services.serving.domain.request import Kind
from services.serving.protocols.port import Translated
from services.serving.protocols.translations import TRANSLATIONS
from services.serving.providers.anthropic.provider import DEFAULT_URL as ANTHROPIC_URL
from services.serving.providers.anthropic.provider import AnthropicProvider
from services.serving.providers.azure import azure_provider
from services.serving.providers.bedrock.provider import BedrockProvider
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.demo.provider import DemoProvider
from services.serving.providers.gemini.provider import DEFAULT_URL as GEMINI_URL
from services.serving.providers.gemini.provider import GeminiProvider
from services.serving.providers.openai.provider import openai_provider
from services.serving.providers.openai.servers import SERVERS
from services.serving.providers.port import Counter, Provider
from services.serving.providers.upstream import UpstreamHttp
from shared.clock import Clock
from shared.live import LiveView, Route
from shared.live import Provider as ProviderEntry

ADDRESSES: Mapping[str, str] = {
    **{kind: server.base_url for kind, server in SERVERS.items()},
    "anthropic": ANTHROPIC_URL,
    "gemini": GEMINI_URL,
}
"""Where providers of a kind are that say nothing else; empty for one that must say it."""


class Catalogue:
    """Finds the adapter of a provider by its name in the live view."""

    def __init__(
        self, live: LiveView, http: UpstreamHttp, clock: Clock, secret: Callable[[str], str]
    ) -> None:
        self._live = live
        via = http.spoken_by
        self._kinds: Mapping[str, Callable[[ProviderEntry], Provider]] = {
            **dict.fromkeys(
                SERVERS, lambda entry: openai_provider(entry, via(entry), self.resolved)
            ),
            "azure": lambda entry: azure_provider(entry, via(entry), self.resolved),
            "anthropic": lambda entry: AnthropicProvider(entry, via(entry), self.resolved, clock),
            "bedrock": lambda entry: BedrockProvider(entry, via(entry), self.resolved, clock),
            "gemini": lambda entry: GeminiProvider(entry, via(entry), self.resolved, clock),
            "demo": lambda entry: DemoProvider(entry, clock),
        }
        self._secret = secret
        self._built: dict[str, tuple[ProviderEntry, Provider]] = {}

    def provider(self, name: str) -> Provider:
        """The upstream of that name. Raises `UpstreamFailed` when it is not live, or of no known kind."""
        entry = self._live.providers.get(name)
        if entry is None:
            raise misconfigured(f"There is no provider {name!r} here.")
        built = self._built.get(name)
        if built is not None and built[0] is entry:
            return built[1]
        build = self._kinds.get(entry.kind)
        if build is None:
            raise misconfigured(f"The provider {name!r} is of an unknown kind, {entry.kind!r}.")
        provider = build(entry)
        self._built[name] = (entry, provider)
        return provider

    def answering(self, route: Route, kind: Kind) -> Provider:
        """The upstream of a route as it answers a kind, by translation where it must. Raises `UpstreamFailed`."""
        provider = self.provider(route.provider)
        translation = TRANSLATIONS.get(kind)
        if kind in provider.kinds or translation is None:
            return provider
        kind_of_provider = self._live.providers[route.provider].kind
        thoughts = CAPABILITIES[kind_of_provider].thoughts
        return Translated(provider, translation, thoughts=thoughts)

    def answers(self, route: Route, kind: Kind) -> bool:
        """Whether a route can be asked for a kind; one that is not there can, so that its absence is told."""
        try:
            return kind in self.answering(route, kind).kinds
        except UpstreamFailed:
            return True

    def counting(self, route: Route) -> Counter | None:
        """The upstream of a route, if it counts tokens. Raises `UpstreamFailed`."""
        provider = self.provider(route.provider)
        return provider if isinstance(provider, Counter) else None

    def resolved(self, reference: str) -> str:
        """The secret behind a reference. Raises `UpstreamFailed` when it is not set."""
        try:
            return self._secret(reference)
        except KeyError as fault:
            raise misconfigured(f"A provider's secret {reference} is not set.") from fault
