"""Texts that come in pieces: cut anywhere, what is held back is enough to find what the whole text holds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.pii import Finding, findings
from shared.pii.tails import MOST, unfinished
from tests.unit.test_shared_pii import FOUND, LEFT_ALONE

_WORDS = [
    "the",
    "call",
    "MRN:",
    "ssn",
    "GB",
    "+",
    "(",
    "http://",
    "a.b",
    "\u8054\u7cfb",
    "-",
    "12",
    "secret=",
    "eyJ",
    "\n",
]
_PIECES = st.sampled_from(
    [*(text for text, _ in FOUND), *LEFT_ALONE, *_WORDS, "bearer Zx8kQ2mN7pR4tV9w"]
)
_TEXTS = st.lists(_PIECES, min_size=1, max_size=6).flatmap(
    lambda pieces: st.sampled_from([" ", "", ", ", "\n", "-"]).map(lambda mark: mark.join(pieces))
)


def finished(text: str) -> list[Finding]:
    """What is found in a text by reading it a character at a time, and deciding as early as may be."""
    decided: list[Finding] = []
    place = 0
    for end in range(1, len(text) + 1):
        cut = unfinished(text[:end]) if end < len(text) else end
        found = findings(text[:end])
        cut = min([cut, *(one.start for one in found if one.start < cut < one.end)])
        decided += [one for one in found if place <= one.start and one.end <= cut]
        place = max(place, cut)
    return decided


@given(_TEXTS)
@example("ann@example.org")
@example("a" * 70 + ".ghp_" + "a1B2" * 9)
def test_deciding_early_finds_what_the_whole_text_holds(text: str) -> None:
    assert finished(text) == findings(text)


@pytest.mark.parametrize("text", [text for text, _ in FOUND])
def test_no_piece_is_let_go_before_it_is_known(text: str) -> None:
    for one in findings(text):
        for end in range(one.start + 1, one.end):
            assert unfinished(text[:end]) <= one.start


@given(st.text(max_size=300))
def test_never_more_is_held_than_the_bound(text: str) -> None:
    assert 0 <= unfinished(text * 60) <= len(text * 60)
    assert len(text * 60) - unfinished(text * 60) <= MOST


@pytest.mark.parametrize(
    ("text", "held"),
    [("That is all. ", ""), ("A new wor", "wor"), ("\u4e2d\u6587\u7684", ""), ("It cost 12", "12")],
)
def test_of_prose_no_more_is_held_than_its_last_word(text: str, held: str) -> None:
    assert text[unfinished(text) :] == held
