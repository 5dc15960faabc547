"""Text in a plainer alphabet, so that full-width digits or invisible characters hide nothing."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Invisible: soft hyphen, combining grapheme joiner, zero-width marks, bidi controls, joiners, BOM.
_INVISIBLE = (
    "\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
)
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63"
_FULL_WIDTH = "\uff01-\uff5e"
_FULL_WIDTH_SHIFT = 0xFEE0

_INVISIBLE_CHARACTER = re.compile(f"[{_INVISIBLE}]")
_SPACE = re.compile(f"[{_SPACES}]")
_DASH = re.compile(f"[{_DASHES}]")
_TO_FOLD = re.compile(f"[{_INVISIBLE}{_SPACES}{_DASHES}{_FULL_WIDTH}]|(?![0-9])\\d")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; character `i` of it was character `origins[i]`, or `i` when there are none."""

    text: str
    origins: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of the folded text lies in the original."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


def fold(text: str) -> Folded:
    """The text with digits, spaces, dashes and full-width forms in ASCII, and nothing invisible.

    >>> fold("\\uff14\\uff12\\u200b-\\u0663").text
    '42-3'
    """
    if text.isascii() or not _TO_FOLD.search(text):
        return Folded(text)
    kept = [(index, _folded(character)) for index, character in enumerate(text)]
    visible = [(index, character) for index, character in kept if character]
    return Folded("".join(c for _, c in visible), [index for index, _ in visible])


def _folded(character: str) -> str:
    """One character, or none: what a fold adds would have no origin."""
    if character.isascii():
        return character
    if _INVISIBLE_CHARACTER.match(character):
        return ""
    if _SPACE.match(character):
        return " "
    if _DASH.match(character):
        return "-"
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - _FULL_WIDTH_SHIFT)
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)
