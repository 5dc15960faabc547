"""OpenAI's models at Azure: the same protocols, other addresses, and the key under another header.

With an `api_version` that is a date the model is a deployment in the URL; without one, or with
`preview`, it is the v1 API, where the body names the deployment (Azure OpenAI, "API version lifecycle").
"""

from collections.abc import Mapping

from yarl import URL

from services.serving.domain.failure import misconfigured
from services.serving.domain.request import Kind
from services.serving.providers.capabilities import CAPABILITIES
from services.serving.providers.credentials import Secret
from services.serving.providers.openai.provider import OpenAIProvider
from services.serving.providers.openai.servers import Server
from services.serving.providers.upstream import UpstreamHttp
from shared.live import Provider as ProviderEntry

_SERVER = Server()


class AzureResource:
    """The paths of one resource; satisfies `Addresses`."""

    def __init__(self, base_url: str, api_version: str, paths: Mapping[Kind, str]) -> None:
        root = base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai")
        self._base = f"{root}/openai"
        self._paths = paths
        self._version = api_version
        self._dated = api_version[:1].isdecimal()

    def url(self, kind: Kind, model: str) -> URL:
        path = self._paths[kind]
        if not self._dated:
            query = f"?api-version={self._version}" if self._version else ""
            return URL(f"{self._base}/v1{path}{query}")
        # Responses came after deployments: the body names one.
        place = "" if kind is Kind.RESPONSE else f"/deployments/{model}"
        return URL(f"{self._base}{place}{path}?api-version={self._version}")

    def passed(self, path: str, model: str) -> URL:
        if not self._dated:
            query = f"?api-version={self._version}" if self._version else ""
            return URL(f"{self._base}/v1{path}{query}")
        place = f"/deployments/{model}" if model else ""
        return URL(f"{self._base}{place}{path}?api-version={self._version}")

    def key_header(self, key: str) -> tuple[str, str]:
        return "api-key", key


def azure_provider(entry: ProviderEntry, http: UpstreamHttp, secret: Secret) -> OpenAIProvider:
    """The adapter of a resource. Options: those of `OpenAIProvider`, and `api_version`.

    Raises `UpstreamFailed` for an entry without a URL: every resource has one of its own.
    """
    if not entry.base_url:
        raise misconfigured(f"The provider {entry.name!r} of kind azure has no base_url.")
    version = str(entry.options.get("api_version") or "")
    version = "" if version == "v1" else version
    addresses = AzureResource(entry.base_url, version, CAPABILITIES["azure"].paths)
    return OpenAIProvider(entry, http, secret, _SERVER, addresses)
