"""The deny list: words and patterns that may not be asked, or answered."""

import re
from collections.abc import Sequence

import msgspec
import re2

from services.serving.guards.options import read_options
from services.serving.guards.patterns import DEFAULT_LONGEST, Longest, Pattern
from services.serving.guards.port import Mark, Options
from shared.errors import Invalid
from shared.pii.rules import LETTER
from shared.pii.search import whole_characters

MAX_WORDS = 10_000
MAX_WORD_CHARS = 128
MAX_WORDS_BYTES = 32 << 20
# Between the words of a phrase: as many spaces as are passed over.
MAX_SPACES = 4


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    category: str = "denied"
    case_sensitive: bool = False
    longest: Longest = DEFAULT_LONGEST


class DenyList:
    """`deny_list`: `words` (whole words and phrases, however they are spaced) and `patterns` (RE2).

    Options beside: `category` (what a find is called), `case_sensitive`, and `longest`, the longest piece
    that a pattern is meant to find. Of a stream, words hold back only what begins one of them.
    """

    def __init__(self, options: Options) -> None:
        read = read_options("deny_list", options, _Options)
        if not read.words and not read.patterns:
            raise Invalid("The guardrail 'deny_list' needs 'words' or 'patterns'.")
        self._category = read.category
        self._words = _Words(read.words, case_sensitive=read.case_sensitive) if read.words else None
        self._patterns = [
            Pattern(pattern, read.longest, case_sensitive=read.case_sensitive)
            for pattern in read.patterns
        ]

    def marks(self, text: str) -> Sequence[Mark]:
        spans = [span for pattern in self._patterns for span in pattern.spans(text)]
        if self._words is not None:
            spans += self._words.spans(text)
        return [Mark(start, end, self._category) for start, end in sorted(spans)]

    def unfinished(self, text: str) -> int:
        places = [pattern.unfinished(text) for pattern in self._patterns]
        if self._words is not None:
            places.append(self._words.unfinished(text))
        return min(places)


class _Words:
    """Words and phrases, found where they stand alone."""

    def __init__(self, words: Sequence[str], *, case_sensitive: bool) -> None:
        plain = [" ".join(word.split()) for word in words]
        if len(plain) > MAX_WORDS or not all(0 < len(word) <= MAX_WORD_CHARS for word in plain):
            raise Invalid(
                f"The guardrail 'deny_list' takes {MAX_WORDS} words of 1 to {MAX_WORD_CHARS} characters."
            )
        options = re2.Options()
        options.max_mem = MAX_WORDS_BYTES
        options.case_sensitive = case_sensitive
        options.longest_match = True
        spaced = (r"\s{1,4}".join(map(re2.escape, word.split())) for word in plain)
        self._compiled = re2.compile("|".join(spaced), options)
        self._case_sensitive = case_sensitive
        self._beginnings = {
            self._read(word[:end]) for word in plain for end in range(1, len(word) + 1)
        }
        self._firsts = {beginning[0] for beginning in self._beginnings}
        self._width = max(len(word) + MAX_SPACES * word.count(" ") for word in plain) + 1

    def spans(self, text: str) -> list[tuple[int, int]]:
        readable = whole_characters(text)
        found = (match.span() for match in self._compiled.finditer(readable))
        return [(start, end) for start, end in found if _alone(text, start, end)]

    def unfinished(self, text: str) -> int:
        """The first place from which everything is the beginning of a word, or one that might yet go on."""
        for place in range(max(0, len(text) - self._width), len(text)):
            if self._read(text[place]) in self._firsts and self._begins(text[place:]):
                return place
        return len(text)

    def _begins(self, text: str) -> bool:
        return self._read(" ".join(text.split())) in self._beginnings

    def _read(self, text: str) -> str:
        return text if self._case_sensitive else text.lower()


def _alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit of a script with spaces goes on before or behind."""
    return not (_joined(text[start - 1 : start + 1]) or _joined(text[end - 1 : end + 1]))


def _joined(pair: str) -> bool:
    return len(pair) == 2 and all(map(_LETTER.fullmatch, pair))


_LETTER = re.compile(LETTER)
