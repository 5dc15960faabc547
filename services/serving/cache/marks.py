"""What two near questions must have in common, word for word, to have one answer: the marks of a text.

An average of word vectors hardly tells 5 from 6, Paris from London, or "is" from "is not", and cannot tell who did
what to whom. So these are compared as they stand, in their order: numbers, dates and names, negations, and words of
which another is the opposite. What is left to the vectors is how the rest is put.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence

from services.serving.cache.words import FUNCTION_WORDS, MARKED, NEGATIONS, OPENINGS

LONGEST_CHARACTERS = 1_000
FULL_REACH_WORDS = 8


def marks_of(text: str) -> bytes:
    """The digest of a text's marks: of two texts that differ in one of them, it differs.

    >>> marks_of("Is it 5 km to Rome?") == marks_of("is it 5 km, to Rome")
    True
    >>> marks_of("Is it 5 km to Rome?") == marks_of("Is it 6 km to Rome?")
    False
    >>> marks_of("May I park here?") == marks_of("May I not park here?")
    False
    """
    return hashlib.sha256("\n".join(_marks(text)).encode()).digest()


def words_of(text: str) -> Sequence[str]:
    """The words of a text that say what it is about, in lower case and in their order."""
    return [word for word in _WORD.findall(text.casefold()) if word not in FUNCTION_WORDS]


def reach(distance: float, words: int) -> float:
    """How far a question of so many words may lie: the longer it is, the less does a changed word move it.

    >>> reach(0.05, 5), reach(0.05, 16)
    (0.05, 0.025)
    """
    return distance * min(1.0, FULL_REACH_WORDS / max(words, 1))


def _marks(text: str) -> Iterator[str]:
    for found in _TOKEN.finditer(text):
        token = found[0]
        word = token.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        if _VERBATIM.search(token):
            yield token.rstrip(".,:-/")
        elif word.endswith("n't") or word in NEGATIONS:
            yield "not"
        elif word in MARKED:
            yield word
        elif token[0].isupper() and _is_name(word, begins=_begins(text, found.start())):
            yield word.removesuffix("'s")


def _is_name(word: str, *, begins: bool) -> bool:
    """Whether a word with a capital is a name: where a sentence begins, only one that is no everyday word."""
    return word not in FUNCTION_WORDS and not (begins and word in OPENINGS)


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or before[-1] in _BEFORE_A_SENTENCE


_BEFORE_A_SENTENCE = ".!?:;\"'([-\n"
_WORD = re.compile(r"\w+")
# A quotation, an address, a number with its sign, unit and fractions, or a word.
_TOKEN = re.compile(
    r"""
    "[^"\n]{1,200}" | `[^`\n]{1,200}` | https?://\S+ | [\w.+-]{1,64}@\S+ | [-+]?[$€£¥]?\d[\w.,:/%-]*
    | \w+(?:['\N{RIGHT SINGLE QUOTATION MARK}]\w+)*
    """,
    re.VERBOSE,
)
_VERBATIM = re.compile(r"""[\d_@/"`]""")
