"""Questions that are near each other in meaning, and have another answer all the same."""

from collections.abc import Iterator

import pytest

from services.serving.cache.identity import Question
from services.serving.cache.marks import marks_of, reach, words_of
from services.serving.cache.meaning import Meaning
from services.serving.cache.nearest import nearest, record_of
from services.serving.cache.terms import DISTANCE
from shared.embedding import OnFirstUse, WordLlamaEmbedder
from tests.builders import NOW
from tests.sources import ROOT

FOUND_OF_THE_SAME = 22  # as measured when the rules were written: the others are asked anew
KEY = "0" * 64
EMBEDDER = OnFirstUse(WordLlamaEmbedder())


def pairs(label: str) -> Iterator[tuple[str, str]]:
    path = ROOT / "tests" / "corpora" / "near_questions.tsv"
    for line in path.read_text(encoding="utf-8").splitlines():
        verdict, _, one, other = line.split("\t")
        if verdict == label:
            yield one, other


async def is_near(meaning: Meaning, one: str, other: str) -> bool:
    kept, asked = [await meaning.likeness(Question(text, "")) for text in (one, other)]
    assert kept is not None
    assert asked is not None
    within = reach(DISTANCE, len(words_of(other)))
    return next(nearest(record_of(KEY, kept, NOW), asked, within, NOW), None) is not None


async def test_no_question_of_the_labelled_set_is_taken_for_another() -> None:
    meaning = Meaning(EMBEDDER)

    taken = [pair for pair in pairs("other") if await is_near(meaning, *pair)]

    assert taken == []


async def test_most_questions_that_are_the_same_are_seen_to_be() -> None:
    meaning = Meaning(EMBEDDER)

    seen = [pair for pair in pairs("same") if await is_near(meaning, *pair)]

    assert len(seen) >= FOUND_OF_THE_SAME


async def test_a_text_without_a_known_word_is_like_nothing() -> None:
    assert await Meaning(EMBEDDER).likeness(Question("", "")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is 5 more than 4?", "Is 4 more than 5?"),
        ("at 3.5%", "at 3.5"),
        ("at 1,000", "at 1.000"),
        ("on 2026-11-24", "on 2026-11-25"),
        ("in May", "in June"),
        ("it works", "it doesn\N{RIGHT SINGLE QUOTATION MARK}t work"),
        ("with eggs", "without eggs"),
        ("ask Ann", "ask Bob"),
        ("ask Ann about Bob", "ask Bob about Ann"),
        ("what does A_B do", "what does A_C do"),
        ('say "yes"', 'say "no"'),
        ("go to https://a.example", "go to https://b.example"),
    ],
)
def test_other_marks(one: str, other: str) -> None:
    assert marks_of(one) != marks_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is it?", "what is it"),
        ("I can't see Rome.", "I cannot see Rome"),
        ("Please, ask Ann's advice", "please ask Ann's advice!"),
        ("Explain entropy", "please explain entropy"),
        ("It costs 5.", "it costs 5"),
    ],
)
def test_the_same_marks(one: str, other: str) -> None:
    assert marks_of(one) == marks_of(other)


@pytest.mark.parametrize("text", ["a" * 1000, "5" * 1000, "'" * 1000, "a'" * 500, '"' * 999, "a@" * 500, "http://" * 140])  # fmt: skip
def test_a_hostile_text_has_marks_too(text: str) -> None:
    assert len(marks_of(text)) == 32
