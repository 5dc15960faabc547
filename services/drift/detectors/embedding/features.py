"""What the detector keeps of a row: its whitened self, its topic, and how far out it lies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.drift.detectors.detector import Doubles, Floats, Integers
from services.drift.detectors.embedding.topics import squared_distances
from services.drift.detectors.embedding.whitening import Whitening

NO_TOPIC = -1  # of a blank row, which says nothing in any statistic
FURTHEST_SCORE = 50.0  # standard deviations


@dataclass(frozen=True, slots=True)
class Features:
    """Rows as the statistics see them, oldest first.

    `scores` (n, 2) are the logarithms of the whitened length and of the distance to the nearest
    centroid, standardised on the reference. Both arrays of numbers are half precision: the ring of the
    last rows is stored with every batch.
    """

    white: npt.NDArray[np.float16]
    topics: npt.NDArray[np.int16]
    scores: npt.NDArray[np.float16]

    @classmethod
    def blank(cls, rows: int, dimensions: int) -> "Features":
        """Rows that say nothing: what stands before the first."""
        return cls(
            np.zeros((rows, dimensions), np.float16),
            np.full(rows, NO_TOPIC, np.int16),
            np.zeros((rows, 2), np.float16),
        )

    def __len__(self) -> int:
        return len(self.topics)

    def __getitem__(self, rows: slice) -> "Features":
        return Features(self.white[rows], self.topics[rows], self.scores[rows])

    def followed_by(self, others: "Features") -> "Features":
        """These rows and then the others."""
        return Features(
            np.concatenate([self.white, others.white]),
            np.concatenate([self.topics, others.topics]),
            np.concatenate([self.scores, others.scores]),
        )


@dataclass(frozen=True, slots=True)
class Lens:
    """From a vector to its features: the whitening map, the centroids, and the scale of the scores.

    Whitened rows longer than `reach` are shortened to it, lest a few far ones make up the mean of a
    window. `floors` (2,) are a squared length and a squared distance that count as none at all: among rows that
    are copies of each other the rest is rounding.
    """

    whitening: Whitening
    centroids: Floats  # (k, d)
    reach: float
    floors: Doubles  # (2,)
    means: Doubles  # (2,)
    deviations: Doubles  # (2,)

    def see(self, rows: Floats) -> Features:
        """The features of rows (n, d)."""
        white = self.whitening.apply(rows)
        distances = squared_distances(rows, self.centroids)
        norms = (white**2).sum(axis=1)
        scores = self.standardise(norms, distances.min(axis=1))
        return Features(
            (white * shortening(norms, self.reach)[:, None]).astype(np.float16),
            distances.argmin(axis=1).astype(np.int16),
            scores.astype(np.float16),
        )

    def standardise(self, norms: npt.ArrayLike, distances: npt.ArrayLike) -> Doubles:
        """Squared lengths and squared distances as standardised scores (n, 2)."""
        scores = (log_scores(norms, distances, self.floors) - self.means) / self.deviations
        return np.asarray(np.clip(scores, -FURTHEST_SCORE, FURTHEST_SCORE))


def shortening(norms: npt.ArrayLike, reach: float) -> Doubles:
    """By how much to multiply rows of these squared lengths so that none is longer than `reach`."""
    return np.asarray(reach / np.maximum(np.sqrt(np.asarray(norms, np.float64)), reach))


def log_scores(norms: npt.ArrayLike, distances: npt.ArrayLike, floors: Doubles) -> Doubles:
    """The logarithms of squared lengths and squared distances, none below its floor."""
    both = np.stack([np.asarray(norms, np.float64), np.asarray(distances, np.float64)], axis=1)
    return np.asarray(np.log(np.maximum(both, floors)))


def topic_counts(topics: npt.NDArray[np.int16] | Integers, number: int) -> Integers:
    """How many rows each of `number` topics has; blank rows count for none."""
    return np.bincount(topics[topics >= 0], minlength=number)
