"""Whether a request may be asked twice at once, and after how long ("hedged requests").

Dean and Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013: a second request once the first
has taken as long as 95 % of them do costs few more requests, and cuts the tail.
"""

from services.serving.domain.request import Kind, Request
from services.serving.routing.upstream import Upstream
from shared.policy import Routing

# Tools of these types are the client's to run; any other runs at the provider, and may act.
_CLIENTS_TOOLS = frozenset(("function", "custom"))
_KINDS = frozenset((Kind.CHAT, Kind.COMPLETION, Kind.MESSAGE, Kind.EMBEDDING))


def hedge_after_seconds(routing: Routing, request: Request, upstream: Upstream) -> float | None:
    """How long an answer may take to begin before another upstream is asked; None: it is waited for.

    Never for what a provider keeps or does by itself: responses, images, sounds, and tools that it runs.
    """
    after = routing.hedge_after_ms
    if after is None or request.kind not in _KINDS or _acts(request):
        return None
    if after == "p95":
        return upstream.latency(streaming=request.streaming).quantile(0.95)
    return after / 1000


def _acts(request: Request) -> bool:
    tools = request.body.tree.get("tools")
    if not tools:
        return "web_search_options" in request.body.tree
    # A tool without a type is a function in Anthropic's protocol.
    types = (tool.get("type", "custom") for tool in tools if isinstance(tool, dict))
    return any(kind not in _CLIENTS_TOOLS for kind in types)
