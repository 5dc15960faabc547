"""Regular expressions that tenants write: RE2 runs them, in a time proportional to the text, whatever they are."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import re2

from shared.errors import Invalid
from shared.pii.search import whole_characters

MAX_PATTERN_CHARS = 2_000
MAX_PROGRAM_BYTES = 1 << 20  # of memory for one compiled pattern, and its cache of states
DEFAULT_LONGEST = 64

Longest = Annotated[int, msgspec.Meta(ge=1, le=512)]


class Pattern:
    """One pattern of RE2's syntax: no look-around and no back-references, by which others backtrack for ever.

    `longest` is the longest piece that it is meant to find: in a stream so much is held back, and a
    piece that is longer may be let go in part. Raises `Invalid` for what is no pattern, matches the
    empty text, or is too large.
    """

    def __init__(self, pattern: str, longest: int, *, case_sensitive: bool = True) -> None:
        if len(pattern) > MAX_PATTERN_CHARS:
            raise Invalid(f"A pattern has {len(pattern)} characters: at most {MAX_PATTERN_CHARS}.")
        options = re2.Options()
        options.max_mem = MAX_PROGRAM_BYTES
        options.log_errors = False
        options.case_sensitive = case_sensitive
        try:
            self._compiled = re2.compile(pattern, options)
        except re2.error as fault:
            raise Invalid(
                f"The pattern {pattern[:80]!r} cannot be used: {_said(fault)}."
            ) from fault
        if self._compiled.search("") is not None:
            raise Invalid(f"The pattern {pattern[:80]!r} matches the empty text.")
        self._longest = longest

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it matches, in order and without overlap."""
        for match in self._compiled.finditer(whole_characters(text)):
            if match.start() < match.end():
                yield match.span()

    def unfinished(self, text: str) -> int:
        """The place from which a match may begin that goes on behind the text."""
        return max(0, len(text) - self._longest + 1)


def _said(fault: re2.error) -> str:
    told = fault.args[0] if fault.args else "it is no regular expression"
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
