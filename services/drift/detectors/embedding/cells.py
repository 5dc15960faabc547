"""The cells: every statistic in every window, over a stream of features."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.drift.detectors.detector import Doubles, Floats, Integers
from services.drift.detectors.embedding.features import NO_TOPIC, Features
from services.drift.detectors.embedding.tail import Tail

LONGEST_WINDOW = 96
MEAN_WINDOWS = (8, 16, 24, 32, 48, 96)
TOPIC_WINDOWS = (8, 16, 24, 32, 48, 96)
SCORE_WINDOWS = (4, 8, 12, 16, 32, 64)
TAIL_WINDOWS = (1, 2, 4, 8, 16)

# What part of all false alarms each block may cause, spread evenly over its cells.
_BUDGET = {"mean": 0.45, "topic": 0.20, "score": 0.25, "tail": 0.10}


@dataclass(frozen=True, slots=True)
class Cell:
    """One statistic: its block, its window in rows, and its share of the false alarms."""

    block: str  # mean | topic | score | tail
    window: int
    budget: float


def _block(name: str, windows: Sequence[int], per_window: int) -> list[Cell]:
    share = _BUDGET[name] / (len(windows) * per_window)
    return [Cell(name, window, share) for window in windows for _ in range(per_window)]


CELLS: tuple[Cell, ...] = (
    *_block("mean", MEAN_WINDOWS, 1),
    *_block("topic", TOPIC_WINDOWS, 1),
    *_block("score", SCORE_WINDOWS, 4),
    *_block("tail", TAIL_WINDOWS, 2),
)


@dataclass(frozen=True, slots=True)
class Cells:
    """The statistics of all cells; larger is stranger, each on a scale of its own.

    `counts` are the reference's rows per topic.
    """

    counts: Integers
    tail: Tail
    surprises: dict[int, Floats]

    @classmethod
    def of(cls, counts: Integers, tail: Tail) -> "Cells":
        """The cells of a reference."""
        return cls(counts, tail, {w: _surge_surprise(counts, w) for w in TOPIC_WINDOWS})

    def watch(self, features: Features) -> Floats:
        """All cells (n, cells) at every row after the first `LONGEST_WINDOW`, which are history."""
        return self.assemble(
            mean_sums(features), features.topics.astype(np.int64), features.scores.astype(float)
        )

    def assemble(self, means: Floats, topics: Integers, scores: Doubles) -> Floats:
        """The cells, given those of the mean block: topics and scores are of history and new rows."""
        blank = topics == NO_TOPIC
        weights = np.where(blank[:, None], 0, self.tail.weigh(scores))
        return np.concatenate(
            [means, self._surges(topics), _score_sums(scores), _tail_sums(weights)], axis=1
        ).astype(np.float32)

    def _surges(self, topics: Integers) -> Floats:
        numbers = np.arange(len(self.counts))
        running = _running(topics[:, None] == numbers, np.int32)
        return np.stack(
            [self.surprises[w][numbers, _window(running, w)].max(axis=1) for w in TOPIC_WINDOWS],
            axis=1,
        )


def mean_sums(features: Features) -> Floats:
    """Per window, the sum of y_i'y_j over its pairs i < j: an estimate of the squared shift."""
    white = features.white.astype(np.float32)
    running = _running(white, np.float64)
    squares = _running((white**2).sum(axis=1)[:, None], np.float64)
    sums = []
    for window in MEAN_WINDOWS:
        total = (_window(running, window) ** 2).sum(axis=1)
        sums.append((total - _window(squares, window)[:, 0]) / 2)
    return np.stack(sums, axis=1).astype(np.float32)


def _score_sums(scores: Doubles) -> Doubles:
    running = _running(scores, np.float64)
    sums = [_window(running, window) for window in SCORE_WINDOWS]
    return np.concatenate([np.stack([s, -s], axis=2).reshape(len(s), 4) for s in sums], axis=1)


def _tail_sums(weights: Doubles) -> Doubles:
    running = _running(weights, np.float64)
    return np.concatenate([_window(running, window) for window in TAIL_WINDOWS], axis=1)


def _running(values: npt.NDArray[Any], kind: type[np.generic]) -> npt.NDArray[Any]:
    sums: npt.NDArray[Any] = np.zeros((len(values) + 1, values.shape[1]), kind)
    np.cumsum(values, axis=0, out=sums[1:])
    return sums


def _window(running: npt.NDArray[Any], window: int) -> npt.NDArray[Any]:
    return np.asarray(
        running[LONGEST_WINDOW + 1 :] - running[LONGEST_WINDOW + 1 - window : -window]
    )


def _surge_surprise(counts: Integers, window: int) -> Floats:
    rows = int(counts.sum())
    return np.stack([share_surprise(int(count), rows, window) for count in counts])


def share_surprise(count: int, rows: int, window: int) -> Floats:
    """-ln P(at least m of the next `window` rows are of a kind), for m = 0 .. window.

    The exact predictive law of a kind that had `count` of the reference's `rows`: beta-binomial with
    Jeffreys' prior, so it allows for a share that is known from the reference alone.
    """
    logs = [_log_beta_binomial(count, rows, hits, window) for hits in range(window + 1)]
    survival = np.exp(logs)[::-1].cumsum()[::-1]
    return np.asarray(-np.log(np.clip(survival, 1e-300, 1)), np.float32)


def _log_beta_binomial(count: int, rows: int, hits: int, window: int) -> float:
    a, b = count + 0.5, rows - count + 0.5
    return (
        math.lgamma(window + 1) - math.lgamma(hits + 1) - math.lgamma(window - hits + 1)
        + math.lgamma(hits + a) + math.lgamma(window - hits + b) - math.lgamma(window + a + b)
        + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    )  # fmt: skip
