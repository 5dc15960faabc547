"""The nearest of a few hundred questions: each is a record of one length, so that all are one array."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from shared.clock import micros
from shared.embedding import Floats

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

KEY_BYTES = 32
WORDS_BYTES = 16


@dataclass(frozen=True, slots=True)
class Likeness:
    """A question as far as it can be compared: `vector` is of length 1.

    Only questions of one `group` (SHA-256 in hexadecimal) are compared, in which all but the question is
    equal. However near, two are alike only with the same `marks` (32 bytes), and not when they are of the
    same `words` in another `order` (16 bytes each): "dog bites man" is not "man bites dog".
    """

    group: str
    vector: Floats
    marks: bytes
    words: bytes
    order: bytes


def record_of(key: str, question: Likeness, saved_at: datetime) -> bytes:
    """A question as a record: its key, when it was saved, what it is compared by, its vector in half precision."""
    record = np.zeros(1, _layout(len(question.vector)))
    for name, value in (
        ("key", bytes.fromhex(key)),
        ("marks", question.marks),
        ("words", question.words),
        ("order", question.order),
    ):
        record[name] = np.frombuffer(value, np.uint8)
    record["saved_at_us"] = micros(saved_at)
    record["vector"] = question.vector
    return record.tobytes()


def key_of(record: bytes) -> str:
    """The key of a record."""
    return record[:KEY_BYTES].hex()


def nearest(
    records: Sequence[bytes], question: Likeness, within: float, since: datetime
) -> Iterator[str]:
    """The keys of the records that are alike and no farther than `within`, the nearest first.

    The cosine distance, 1 - u.v of unit vectors, is taken of every record. Half precision moves it by less
    than 0.001 (`tests/unit/test_serving_cache_nearest.py`).
    """
    if not records:
        return
    table = np.frombuffer(b"".join(records), _layout(len(question.vector)))
    distances = 1.0 - table["vector"].astype(np.float32) @ question.vector
    alike = _all_equal(table["marks"], question.marks)
    turned = _all_equal(table["words"], question.words) & ~_all_equal(
        table["order"], question.order
    )
    fits = alike & ~turned & (table["saved_at_us"] >= micros(since)) & (distances <= within)
    places = np.flatnonzero(fits)
    for place in places[np.argsort(distances[places], kind="stable")]:
        yield key_of(records[place])


def _all_equal(column: Bytes, value: bytes) -> Flags:
    return np.asarray((column == np.frombuffer(value, np.uint8)).all(axis=1))


def _layout(dimensions: int) -> "np.dtype[np.void]":
    return np.dtype(
        [
            ("key", np.uint8, (KEY_BYTES,)),
            ("saved_at_us", "<i8"),
            ("marks", np.uint8, (32,)),
            ("words", np.uint8, (WORDS_BYTES,)),
            ("order", np.uint8, (WORDS_BYTES,)),
            ("vector", "<f2", (dimensions,)),
        ]
    )
