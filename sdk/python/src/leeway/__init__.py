"""Leeway's SDK: record model calls, spans, decisions and feedback without ever getting in the way.

    import leeway

    leeway.configure(api_key="lk_...", base_url="http://127.0.0.1:8080")

    @leeway.observe(kind="tool")
    def look_up(word: str) -> str: ...

    with leeway.session("s-1", user="u-7"):
        interaction = leeway.record(model="gpt-5", input="Hi", output="Hello")
    leeway.thumbs(interaction, up=True)

The functions here are the methods of one default `Client`, which reads LEEWAY_... at its first use.
"""

from __future__ import annotations

from leeway.client import Client
from leeway.context import Session
from leeway.counters import Stats
from leeway.identity import interaction_id
from leeway.settings import Limits, Options
from leeway.tracing import Span
from leeway.version import __version__

__all__ = [
    "Client",
    "Limits",
    "Options",
    "Session",
    "Span",
    "Stats",
    "__version__",
    "aflush",
    "configure",
    "decision",
    "default_client",
    "feedback",
    "flush",
    "interaction_id",
    "observe",
    "outcome",
    "prefer",
    "record",
    "score",
    "session",
    "shutdown",
    "span",
    "stats",
    "thumbs",
]

# It opens and starts nothing before its first use.
default_client = Client()

configure = default_client.configure
record = default_client.record
decision = default_client.decision
feedback = default_client.feedback
thumbs = default_client.thumbs
score = default_client.score
prefer = default_client.prefer
outcome = default_client.outcome
session = default_client.session
span = default_client.span
observe = default_client.observe
flush = default_client.flush
aflush = default_client.aflush
shutdown = default_client.shutdown
stats = default_client.stats
