"""The nearest of a few hundred questions: each is a record of one length, so that all are one array."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.clock import micros
from shared.embedding import Floats

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
    """A question as a record: its key, when it was saved, and what it is compared by."""
    saved_at_us = micros(saved_at)
    head = _HEAD.pack(
        bytes.fromhex(key), saved_at_us, question.marks, question.words, question.order
    )
    return head + question.vector.astype("<f4").tobytes()


def key_of(record: bytes) -> str:
    """The key of a record."""
    return record[:KEY_BYTES].hex()


def nearest(records: bytes, question: Likeness, within: float, since: datetime) -> Iterator[str]:
    """The keys of those of the joined records that are alike and no farther than `within`, the nearest first.

    The cosine distance, 1 - u.v of unit vectors, is taken of every record.
    """
    if not records:
        return
    size = _HEAD.size + 4 * len(question.vector)
    table = np.frombuffer(records, "<f4").reshape(-1, size // 4)
    distances = 1.0 - table[:, _HEAD.size // 4 :] @ question.vector
    close = np.flatnonzero(distances <= within)
    since_us = micros(since)
    for place in close[np.argsort(distances[close], kind="stable")]:
        start = int(place) * size
        if _is_alike(records, start, question, since_us):
            yield records[start : start + KEY_BYTES].hex()


def _is_alike(records: bytes, start: int, question: Likeness, since_us: int) -> bool:
    _, saved_at_us, marks, words, order = _HEAD.unpack_from(records, start)
    turned = words == question.words and order != question.order
    return saved_at_us >= since_us and marks == question.marks and not turned


# Behind the key the time, then marks, words and order: a multiple of four bytes, as the numbers behind it are.
_HEAD = struct.Struct(f"<{KEY_BYTES}sq{KEY_BYTES}s{WORDS_BYTES}s{WORDS_BYTES}s")
