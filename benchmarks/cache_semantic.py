"""How often the semantic cache takes one question for another, how often it sees the same one, and how fast.

    python -m benchmarks.cache_semantic [--data DIR]

Two labelled sets. `tests/corpora/near_questions.tsv` holds pairs that mean the same and pairs that do not, written to
be hard, by who wrote the rules that they test. With `--data`, DIR/banking77 (Casanueva et al. 2020), written by others
for another purpose: each question of its test set is looked for among those of its training set, and a hit is called
false when the two have different intents, some of which differ in their labels alone. Each with the marks and without.
The last line is one JSON object.
"""

import argparse
import asyncio
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from services.serving.cache.identity import Question
from services.serving.cache.marks import reach, words_of
from services.serving.cache.meaning import Meaning
from services.serving.cache.nearest import Likeness, key_of, nearest, record_of
from shared.clock import SystemClock
from shared.embedding import OnFirstUse, WordLlamaEmbedder

PAIRS = Path("tests/corpora/near_questions.tsv")
DISTANCES = (0.03, 0.05, 0.08, 0.12)
TIMED = 2_000
HELD = 512
NOTHING = bytes(32)
MARGIN = 1e-5  # of sums in another order


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what it is compared by, and what it was labelled."""

    text: str
    like: Likeness
    label: str


@dataclass(slots=True)
class Tally:
    """Questions that were looked for, those that were found, and those found wrongly."""

    asked: int = 0
    hits: int = 0
    false_hits: int = 0

    def add(self, *, hit: bool, right: bool) -> None:
        self.asked += 1
        self.hits += hit
        self.false_hits += hit and not right


async def asked_of(meaning: Meaning, text: str, label: str) -> Asked | None:
    like = await meaning.likeness(Question(text, ""))
    return None if like is None else Asked(text, like, label)


def unmarked(asked: Asked) -> Asked:
    """The question as its vector alone has it."""
    like = replace(asked.like, marks=NOTHING, words=NOTHING[:16], order=NOTHING[:16])
    return replace(asked, like=like)


def found(
    held: Sequence[Asked], records: Sequence[bytes], asked: Asked, within: float
) -> Asked | None:
    since = SystemClock().now().replace(year=2000)
    key = next(nearest(b"".join(records), asked.like, within, since), None)
    return None if key is None else held[[key_of(record) for record in records].index(key)]


def records_of(held: Sequence[Asked]) -> Sequence[bytes]:
    now = SystemClock().now()
    return [record_of(f"{place:064x}", each.like, now) for place, each in enumerate(held)]


def within_of(asked: Asked, distance: float, *, marked: bool) -> float:
    return reach(distance, len(words_of(asked.text))) if marked else distance


def labelled() -> Iterator[tuple[str, str, str]]:
    """Whether two questions are the same or others, and the two."""
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        label, _, one, other = line.split("\t")
        yield label, one, other


async def pairs(meaning: Meaning, distance: float, *, marked: bool) -> dict[str, Tally]:
    tallies = {"same": Tally(), "other": Tally()}
    for label, one, other in labelled():
        kept, asked = await asked_of(meaning, one, label), await asked_of(meaning, other, label)
        assert kept is not None
        assert asked is not None
        if not marked:
            kept, asked = unmarked(kept), unmarked(asked)
        within = within_of(asked, distance, marked=marked)
        hit = found([kept], records_of([kept]), asked, within) is not None
        tallies[label].add(hit=hit, right=label == "same")
    return tallies


def rows_of(path: Path) -> Sequence[tuple[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


async def read(meaning: Meaning, path: Path) -> Sequence[Asked]:
    rows = rows_of(path)
    asked = [await asked_of(meaning, text, label) for text, label in rows]
    return [each for each in asked if each is not None]


def close_ones(held: Sequence[Asked], questions: Sequence[Asked]) -> Sequence[Sequence[int]]:
    """Of each question, who of ten thousand is not too far anyway: as many as no group of the cache has."""
    vectors = np.stack([each.like.vector for each in held])
    asked = np.stack([each.like.vector for each in questions])
    farthest = max(DISTANCES) + MARGIN
    rows = (row for part in np.array_split(asked, 32) for row in 1 - part @ vectors.T)
    return [[int(place) for place in np.flatnonzero(row <= farthest)] for row in rows]


def banking(
    held: Sequence[Asked],
    questions: Sequence[Asked],
    close: Sequence[Sequence[int]],
    distance: float,
    *,
    marked: bool,
) -> Tally:
    tally = Tally()
    if not marked:
        held, questions = [*map(unmarked, held)], [*map(unmarked, questions)]
    records = records_of(held)
    for asked, places in zip(questions, close, strict=True):
        within = within_of(asked, distance, marked=marked)
        near = found(
            [held[place] for place in places], [records[place] for place in places], asked, within
        )
        tally.add(hit=near is not None, right=near is not None and near.label == asked.label)
    return tally


async def timed(meaning: Meaning) -> dict[str, float]:
    """Microseconds: of a question's likeness, and of the search among as many as a group holds."""
    texts = [f"How do I move {place} boxes to the cellar of my house?" for place in range(TIMED)]
    before = time.perf_counter()
    questions = [await asked_of(meaning, text, "") for text in texts]
    embedded = time.perf_counter()
    held = [each for each in questions if each is not None][:HELD]
    records = records_of(held)
    start = time.perf_counter()
    for asked in held:
        found(held, records, asked, 0.05)
    end = time.perf_counter()
    return {
        "likeness_us": round((embedded - before) / TIMED * 1e6, 1),
        f"search_{HELD}_us": round((end - start) / len(held) * 1e6, 1),
    }


async def measure(data: Path | None) -> None:
    report: dict[str, object] = {}
    meaning = Meaning(OnFirstUse(WordLlamaEmbedder()))
    held = await read(meaning, data / "banking77" / "train.csv") if data else []
    questions = await read(meaning, data / "banking77" / "test.csv") if data else []
    close = close_ones(held, questions) if data else []
    for distance in DISTANCES:
        for marked in (True, False):
            tallies = await pairs(meaning, distance, marked=marked)
            if data:
                tallies["banking77"] = banking(held, questions, close, distance, marked=marked)
            name = f"{distance} {'with' if marked else 'without'} marks"
            for label, tally in tallies.items():
                print(f"{name:24} {label:10} {tally}")
            report[name] = {
                label: [tally.asked, tally.hits, tally.false_hits]
                for label, tally in tallies.items()
            }
    report |= await timed(meaning)
    print(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=None)
    asyncio.run(measure(parser.parse_args().data))


if __name__ == "__main__":
    main()
