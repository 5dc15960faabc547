"""How many tokens a request is likely to be, told from its text alone: for choosing routes, never for charging."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.serving.domain.request import Request

# English text has about four characters a token; other scripts about one.
ASCII_CHARS_PER_TOKEN = 4
IMAGE_TOKENS = 1_000
MESSAGE_TOKENS = 4
# What is written where the request sets no bound.
DEFAULT_OUTPUT_TOKENS = 1_000

_READ = ("messages", "input", "prompt", "system", "instructions", "tools")
_BOUNDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# Texts under these keys are pictures or sounds.
_MEDIA = frozenset(("url", "image_url", "data", "file_data"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens that a call is likely to read, and to write at most."""

    input_tokens: int
    output_tokens: int


def estimate(request: Request) -> Estimate:
    """The tokens of a request, by the rule of thumb for its characters.

    >>> tokens_of([{"role": "user", "content": "What is two and two?"}])
    10
    """
    tree = request.body.tree
    read = sum(tokens_of(tree[name]) for name in _READ if name in tree)
    bounds = (tree.get(name) for name in _BOUNDS)
    written = next((bound for bound in bounds if type(bound) is int), DEFAULT_OUTPUT_TOKENS)
    return Estimate(read, written)


def tokens_of(value: Any) -> int:
    """The tokens of a JSON value: of all of its texts."""
    ascii_chars = others = media = messages = 0
    for key, text in _texts(value):
        if key in _MEDIA:
            media += 1
        elif text.isascii():
            ascii_chars += len(text)
        else:
            plain = sum(char < "\x80" for char in text)
            ascii_chars += plain
            others += len(text) - plain
        messages += key == "role"
    written = math.ceil(ascii_chars / ASCII_CHARS_PER_TOKEN) + others
    return written + media * IMAGE_TOKENS + messages * MESSAGE_TOKENS


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text of a JSON value with the key under which it stands."""
    waiting = [("", value)]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node, str):
            yield key, node
        elif isinstance(node, dict):
            waiting += node.items()
        elif isinstance(node, list):
            waiting += [(key, item) for item in node]
