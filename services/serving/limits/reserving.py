"""How many tokens a call is counted as before they are known, and what it is counted as once they are."""

from dataclasses import dataclass
from typing import Any

from services.serving.domain.request import Kind, Request
from services.serving.routing.estimate import estimate
from shared.interactions import Interaction


@dataclass(frozen=True, slots=True)
class Reserved:
    """The tokens that a call is let in as: what it is likely to hold, and the most that it lets be written."""

    read: int = 0
    written: int = 0

    @property
    def tokens(self) -> int:
        return self.read + self.written


def reserved_for(request: Request) -> Reserved:
    """What a request is let in as: its texts by their characters, token numbers as they are, and its bound.

    `routing/estimate.py` says what a text, a picture and an answer without a bound count as. Vectors are not written.
    """
    likely = estimate(request)
    written = 0 if request.kind is Kind.EMBEDDING else likely.output_tokens
    return Reserved(likely.input_tokens + _token_ids(request), written)


def used_tokens(interaction: Interaction, reserved: Reserved) -> int:
    """The tokens that a call has used; what was not told counts as it was reserved.

    An answer from the cache used none, and neither did a call that its upstream refused and said nothing of.
    """
    if interaction.cache:
        return 0
    usage = interaction.usage
    read, written = usage.input_tokens, usage.output_tokens
    if interaction.status == "error":
        return (read or 0) + (written or 0)
    read = reserved.read if read is None else read
    return read + (reserved.written if written is None else written)


def _token_ids(request: Request) -> int:
    """Tokens that are written as their numbers, as embeddings and legacy completions may be."""
    tree = request.body.tree
    return sum(_numbers(tree.get(name)) for name in ("input", "prompt"))


def _numbers(value: Any) -> int:
    if not isinstance(value, list):
        return 0
    return sum(1 if isinstance(item, int) else _numbers(item) for item in value)
