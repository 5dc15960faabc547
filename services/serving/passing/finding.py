"""Finds the upstreams that what passes through can be asked at."""

from collections.abc import Callable

from services.serving.domain.failure import UpstreamFailed, misconfigured
from services.serving.domain.request import Kind
from services.serving.providers.openai.passing import OpenAIPassing
from services.serving.providers.openai.provider import OpenAIProvider
from services.serving.providers.port import Provider
from shared.live import Route


class Passages:
    """The providers of OpenAI's protocol, as what passes through is asked there."""

    def __init__(self, provider: Callable[[str], Provider]) -> None:
        """`provider` finds one by its name, and raises `UpstreamFailed` when there is none."""
        self._provider = provider

    def at(self, name: str) -> OpenAIPassing | None:
        """A provider, if it speaks OpenAI's protocol. Raises `UpstreamFailed`."""
        provider = self._provider(name)
        return provider.passing if isinstance(provider, OpenAIProvider) else None

    def answering(self, route: Route, kind: Kind) -> OpenAIPassing:
        """The upstream of a route that is asked for a kind. Raises `UpstreamFailed`."""
        passing = self.at(route.provider)
        if passing is None or kind not in passing.kinds:
            raise misconfigured(f"The provider {route.provider!r} takes no request of kind {kind}.")
        return passing

    def answers(self, route: Route, kind: Kind) -> bool:
        """Whether a route can be asked for a kind; one that is not there can, so that its absence is told."""
        try:
            passing = self.at(route.provider)
        except UpstreamFailed:
            return True
        return passing is not None and kind in passing.kinds

    def answering_batches(self, route: Route) -> OpenAIPassing:
        """The upstream of a route that takes batches. Raises `UpstreamFailed`."""
        passing = self.at(route.provider)
        if passing is None or not passing.holds_files:
            raise misconfigured(f"The provider {route.provider!r} takes no batches.")
        return passing

    def takes_batches(self, route: Route, kind: Kind) -> bool:
        """Whether a route answers a kind in batches; one that is not there does, as above."""
        try:
            provider = self._provider(route.provider)
        except UpstreamFailed:
            return True
        if not isinstance(provider, OpenAIProvider):
            return False
        return provider.passing.holds_files and kind in provider.kinds
