"""Text in a plainer alphabet, so that full-width digits or invisible characters hide nothing."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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


# What JSON writes in a string for one character (RFC 8259, section 7).
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bfnrt]))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# A text in JSON in a string in JSON, and once more.
_LAYERS = 3


@dataclass(frozen=True, slots=True)
class _Layer:
    """Where the text of one fold lies in the text that was folded.

    From character `at[i]` of the fold on, `gaps[i]` more of the original have gone by than of the fold. A
    character of the fold is `wide` when all of the original up to the next one is its own: what was written
    as an escape is, what has something invisible behind it is not.
    """

    at: Sequence[int]
    gaps: Sequence[int]
    wide: bool

    def begin(self, index: int) -> int:
        """Where a character of the fold begins in the original."""
        behind = bisect_right(self.at, index)
        return index + (self.gaps[behind - 1] if behind else 0)

    def end(self, index: int) -> int:
        """Where the first characters of the fold end in the original."""
        if self.wide or index == 0:
            return self.begin(index)
        return self.begin(index - 1) + 1


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text, and how it came of the original, the last fold first."""

    text: str
    layers: tuple[_Layer, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of the folded text lies in the original."""
        return self.place(start), self.end(end)

    def place(self, index: int) -> int:
        """Where a character of the folded text begins in the original; its end for the text's end."""
        if index == len(self.text):
            return self.end(index)
        for layer in self.layers:
            index = layer.begin(index)
        return index

    def end(self, index: int) -> int:
        """Where the first characters of the folded text end in the original."""
        for layer in self.layers:
            index = layer.end(index)
        return index


def fold(text: str) -> Folded:
    """The text with digits, spaces, dashes and full-width forms in ASCII, and nothing invisible.

    >>> fold("\\uff14\\uff12\\u200b-\\u0663").text
    '42-3'
    """
    return _plainer(Folded(text))


def fold_json(text: str) -> Folded:
    """A piece of JSON text, folded after what its strings escape is written out, however often it is escaped.

    >>> fold_json('"ann\\\\u0040example.org"').text
    '"ann@example.org"'
    """
    folded = Folded(text)
    for _ in range(_LAYERS):
        if "\\" not in folded.text:
            break
        folded = _replaced(folded, _ESCAPE, _meant, wide=True)
    return _plainer(folded)


def _plainer(folded: Folded) -> Folded:
    if folded.text.isascii():
        return folded
    return _replaced(folded, _TO_FOLD, lambda match: _folded(match[0]), wide=False)


def _replaced(
    folded: Folded, pattern: re.Pattern[str], meant: Callable[[re.Match[str]], str], *, wide: bool
) -> Folded:
    """A fold of a fold: what the pattern matches becomes one character each, or none."""
    pieces: list[str] = []
    at: list[int] = []
    gaps: list[int] = []
    end = size = 0
    for match in pattern.finditer(folded.text):
        character = meant(match)
        pieces += [folded.text[end : match.start()], character]
        size += match.start() - end + len(character)
        end = match.end()
        if end != size + (gaps[-1] if gaps else 0):
            at.append(size)
            gaps.append(end - size)
    if not pieces:
        return folded
    text = "".join([*pieces, folded.text[end:]])
    return Folded(text, (_Layer(at, gaps, wide), *folded.layers) if at else folded.layers)


def _meant(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return _ESCAPED.get(escape[2], escape[2])


@lru_cache(maxsize=4_096)
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
