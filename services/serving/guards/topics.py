"""The topic allow-list: what a text is about, by which examples of a tenant it lies nearer to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from services.serving.guards.options import read_options
from services.serving.guards.port import Opinion, Options
from shared.embedding import Embedder, Floats
from shared.errors import Invalid

MIN_EXAMPLES = 30
MAX_EXAMPLES = 2_000
# Of the texts of either side, the nearest: one alike example is enough, one odd example is not.
NEAREST = 3

Examples = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_EXAMPLES)]


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    allowed: Examples
    refused: Examples
    refused_most: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it does to the examples, each judged by all the others: shares of either side."""

    threshold: float
    refused_of_allowed: float
    refused_of_refused: float


class Topics:
    """`topics`: refuses what lies nearer to the examples of `refused` than to those of `allowed`.

    A text's score is its cosine to the nearest refused examples less that to the nearest allowed ones.
    The threshold comes from the tenant's own examples, so it takes 30 of each: the lowest one, from 0 on,
    that refuses at most `refused_most` of the allowed examples. What it does to them is its `calibration`.
    """

    def __init__(self, options: Options, embedder: Embedder) -> None:
        read = read_options("topics", options, _Options)
        if min(len(read.allowed), len(read.refused)) < MIN_EXAMPLES:
            raise Invalid(
                f"The guardrail 'topics' needs {MIN_EXAMPLES} examples each of what is allowed and "
                f"refused, got {len(read.allowed)} and {len(read.refused)}."
            )
        self._embedder = embedder
        self._allowed = embedder.embed(read.allowed)
        self._refused = embedder.embed(read.refused)
        self.calibration = self._calibrated(read.refused_most)

    def judge(self, text: str) -> Opinion | None:
        vector = self._embedder.embed([text])[0]
        if not vector.any():
            return None  # no word of it is known: a greeting of one emoji is about nothing
        score = self._score(vector, self._allowed, self._refused)
        if score <= self.calibration.threshold:
            return None
        return Opinion("off_topic", round(min(1.0, max(0.0, 0.5 + score)), 3))

    def _calibrated(self, refused_most: float) -> Calibration:
        allowed = [
            self._score(vector, np.delete(self._allowed, place, axis=0), self._refused)
            for place, vector in enumerate(self._allowed)
        ]
        refused = [
            self._score(vector, self._allowed, np.delete(self._refused, place, axis=0))
            for place, vector in enumerate(self._refused)
        ]
        threshold = max(0.0, float(np.quantile(allowed, 1.0 - refused_most)))
        return Calibration(threshold, _above(threshold, allowed), _above(threshold, refused))

    def _score(self, vector: Floats, allowed: Floats, refused: Floats) -> float:
        return _near(vector, refused) - _near(vector, allowed)


def _near(vector: Floats, examples: Floats) -> float:
    return float(np.sort(examples @ vector)[-NEAREST:].mean())


def _above(threshold: float, scores: Sequence[float]) -> float:
    return sum(score > threshold for score in scores) / len(scores)
