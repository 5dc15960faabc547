"""What an upstream of OpenAI's protocols says was used, verbatim and in its own dialect."""

from services.serving.domain.body import JsonObject
from services.serving.domain.usage import openai_usage
from services.serving.providers.reading import verbatim
from shared.interactions import Usage


def usage_in(body: bytes, tree: JsonObject, dialect: str) -> Usage | None:
    """The usage of a reply, of a chunk, or of a response; None when it tells none."""
    return _usage(body, tree, ("usage",), dialect)


def response_usage(body: bytes, event: JsonObject, dialect: str) -> Usage | None:
    """The usage of the response that an event of a Responses stream carries."""
    return _usage(body, event["response"], ("response", "usage"), dialect)


def _usage(body: bytes, holder: JsonObject, path: tuple[str, ...], dialect: str) -> Usage | None:
    counts = holder.get("usage")
    if not isinstance(counts, dict) or not counts:
        return None
    tier = holder.get("service_tier")
    raw = verbatim(body, path, counts)
    return openai_usage(raw, counts, tier if isinstance(tier, str) else "", dialect)
