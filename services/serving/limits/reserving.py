"""How many tokens a call is counted as before they are known, and what it is counted as once they are."""

from typing import Any

from services.serving.domain.request import Kind, Request
from services.serving.routing.estimate import estimate
from shared.interactions import Interaction


def input_estimate(request: Request) -> int:
    """The tokens that a request is likely to hold: its texts by their characters, numbers as tokens.

    A call whose tokens nobody can tell from its text (pictures, sound) counts as its text and as what
    `routing/estimate.py` says of each picture.
    """
    return estimate(request).input_tokens + _token_ids(request)


def reserved_tokens(request: Request, input_tokens: int) -> int:
    """The tokens that a call is let in as: what it holds, and the most that it lets be written.

    Where it sets no bound, what `routing/estimate.py` takes an answer to be. Vectors are not written.
    """
    if request.kind is Kind.EMBEDDING:
        return input_tokens
    return input_tokens + estimate(request).output_tokens


def used_tokens(interaction: Interaction, input_tokens: int, reserved: int) -> int:
    """The tokens that a call has used; what was not told counts as it was reserved.

    An answer from the cache used none, and neither did a call that its upstream refused and said nothing of.
    """
    if interaction.cache:
        return 0
    usage = interaction.usage
    read, written = usage.input_tokens, usage.output_tokens
    if interaction.status == "error":
        return (read or 0) + (written or 0)
    read = input_tokens if read is None else read
    return read + (reserved - input_tokens if written is None else written)


def _token_ids(request: Request) -> int:
    """Tokens that are written as their numbers, as embeddings and legacy completions may be."""
    tree = request.body.tree
    return sum(_numbers(tree.get(name)) for name in ("input", "prompt"))


def _numbers(value: Any) -> int:
    if not isinstance(value, list):
        return 0
    return sum(1 if isinstance(item, int) else _numbers(item) for item in value)
