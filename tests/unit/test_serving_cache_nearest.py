"""Which of many questions is the nearest."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.serving.cache.nearest import Likeness, key_of, nearest, record_of
from tests.builders import NOW

DIMENSIONS = 256
MARKS, WORDS = bytes(32), bytes(16)


def a_likeness(rng: np.random.Generator) -> Likeness:
    vector = rng.normal(size=DIMENSIONS).astype(np.float32)
    return Likeness("", vector / np.linalg.norm(vector), MARKS, WORDS, WORDS)


def test_without_questions_nothing_is_near() -> None:
    assert [*nearest(b"", a_likeness(np.random.default_rng(1)), 2, NOW)] == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_every_question_comes_in_the_order_of_its_distance(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    held, asked = [a_likeness(rng) for _ in range(count)], a_likeness(rng)
    records = [record_of(f"{place:064x}", each, NOW) for place, each in enumerate(held)]

    found = [int(key, 16) for key in nearest(b"".join(records), asked, 2, NOW)]

    distances = [1 - float(held[place].vector @ asked.vector) for place in found]
    assert sorted(found) == [*range(count)]
    assert all(a <= b + 1e-6 for a, b in pairwise(distances))


def test_a_record_begins_with_its_key() -> None:
    key = "ab" * 32

    assert key_of(record_of(key, a_likeness(np.random.default_rng(1)), NOW)) == key
