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


# What JSON writes in a string for one character (RFC 8259, section 7).
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bfnrt]))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# A text in JSON in a string in JSON, and once more.
_LAYERS = 3


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; character `i` of it was `origins[i]` to `ends[i]`, or `i` alone when there are none."""

    text: str
    origins: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of the folded text lies in the original."""
        if self.origins is None or start == end:
            return start, end
        return self.origins[start], self._end(end - 1)

    def place(self, index: int) -> int:
        """Where a character of the folded text begins in the original; its end for the text's end."""
        if self.origins is None or index < len(self.origins):
            return index if self.origins is None else self.origins[index]
        return self._end(index - 1) if index else 0

    def _end(self, index: int) -> int:
        if self.ends is not None:
            return self.ends[index]
        return index + 1 if self.origins is None else self.origins[index] + 1


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


def fold_json(text: str) -> Folded:
    """A piece of JSON text, folded after what its strings escape is written out, however often it is escaped.

    >>> fold_json('"ann\\\\u0040example.org"').text
    '"ann@example.org"'
    """
    folded = Folded(text)
    for _ in range(_LAYERS):
        if "\\" not in folded.text:
            break
        folded = _through(folded, _unescaped(folded.text))
    return _through(folded, fold(folded.text))


def _unescaped(text: str) -> Folded:
    characters: list[str] = []
    origins: list[int] = []
    ends: list[int] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        plain = range(end, match.start())
        characters += [*text[end : match.start()], _meant(match)]
        origins += [*plain, match.start()]
        ends += [*(place + 1 for place in plain), match.end()]
        end = match.end()
    rest = range(end, len(text))
    return Folded(
        "".join([*characters, text[end:]]),
        [*origins, *rest],
        [*ends, *(place + 1 for place in rest)],
    )


def _meant(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return _ESCAPED.get(escape[2], escape[2])


def _through(first: Folded, second: Folded) -> Folded:
    """The second fold of the first one's text, as a fold of the first one's original."""
    if second.origins is None:
        return Folded(second.text, first.origins, first.ends)
    spans = [first.span(*second.span(place, place + 1)) for place in range(len(second.text))]
    return Folded(second.text, [start for start, _ in spans], [end for _, end in spans])


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
