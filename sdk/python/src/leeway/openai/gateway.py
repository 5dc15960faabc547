"""OpenAI's clients with Leeway's gateway as their server.

The hooks are the base client's own: `default_headers` is read for each request, and
`_process_response` sees each HTTP response beside what it becomes. Should a later release rename the
second, replies lose their interaction id and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import openai

import leeway
from leeway import context
from leeway.client import Client
from leeway.identity import HEADER, remember

if TYPE_CHECKING:
    from openai import Omit


class OpenAI(openai.OpenAI):
    """`openai.OpenAI` through Leeway: calls carry the session, the user, the tags and the trace.

    Key and URL are Leeway's (those of `leeway_client`, else of `leeway.configure` and LEEWAY_...).
    Every other argument is `openai.OpenAI`'s. `leeway.interaction_id(reply)` tells the interaction.
    """

    def __init__(self, *, leeway_client: Client | None = None, **options: Any) -> None:
        super().__init__(**_through_leeway(leeway_client, options))

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        """The headers of the next request, with what the calling code belongs to."""
        return {**super().default_headers, **context.headers()}

    def _process_response(self, **parts: Any) -> Any:
        return _known(super()._process_response(**parts), parts["response"])


class AsyncOpenAI(openai.AsyncOpenAI):
    """`openai.AsyncOpenAI` through Leeway; see `OpenAI`."""

    def __init__(self, *, leeway_client: Client | None = None, **options: Any) -> None:
        super().__init__(**_through_leeway(leeway_client, options))

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        """The headers of the next request, with what the calling code belongs to."""
        return {**super().default_headers, **context.headers()}

    async def _process_response(self, **parts: Any) -> Any:
        return _known(await super()._process_response(**parts), parts["response"])


def _through_leeway(client: Client | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of OpenAI's client, with Leeway's key and URL where the program gives none."""
    settings = (client or leeway.default_client).settings
    api_key, base_url = options.get("api_key"), options.get("base_url")
    if api_key is None and not settings.api_key:
        # openai would go on to OPENAI_API_KEY, and send a provider's key to the gateway.
        raise openai.OpenAIError("No Leeway key: set LEEWAY_API_KEY, or pass api_key.")
    own = {"x-leeway-environment": settings.environment} if settings.environment else {}
    return {
        **options,
        "api_key": settings.api_key if api_key is None else api_key,
        "base_url": f"{settings.base_url}/v1" if base_url is None else base_url,
        "default_headers": {**own, **(options.get("default_headers") or {})},
    }


def _known(reply: Any, response: Any) -> Any:
    interaction = response.headers.get(HEADER)
    if interaction:
        remember(reply, interaction)
    return reply
