"""The upper tail of the scores: what it weighs, and how a null stream draws from it."""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles

TAIL_SHARE = 0.1
OUTSIDE_SHARE = 0.01
_STEP = 0.05  # standard deviations: copies of a row at the very point are not beyond it
_LARGEST = 25.0
_LEAST_EXCESS = 0.2  # standard deviations: a reference of copies has no tail at all


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto law above the 90 % point of each score, fitted by moments.

    `begins`, `excess` (the mean above it), `shape` and `scale` have one entry per score; `mean` and
    `deviation` standardise the weights of reference rows.
    """

    begins: Doubles
    excess: Doubles
    shape: Doubles
    scale: Doubles
    rows: int  # how many rows of the reference lie in the tail
    mean: Doubles
    deviation: Doubles
    edges: Doubles  # the 99 % points: beyond either a row lies outside the reference
    outside: int  # how many rows of the reference do

    @classmethod
    def fit(cls, scores: Doubles) -> "Tail":
        """The tail of reference scores (n, 2)."""
        begins = np.quantile(scores, 1 - TAIL_SHARE, axis=0) + _STEP
        above = [column[column > 0] for column in (scores - begins).T]
        excess = np.array([max(a.mean(), _LEAST_EXCESS) if a.size else 1.0 for a in above])
        spread = np.array([max(a.var(), _LEAST_EXCESS**2) if a.size else 1.0 for a in above])
        shape = np.clip(0.5 * (1 - excess**2 / spread), -0.15, 0.3)
        shape = np.where(np.abs(shape) < 1e-3, 1e-3, shape)
        weights = _weights(scores, begins, excess)
        edges = np.quantile(scores, 1 - OUTSIDE_SHARE, axis=0) + _STEP
        return cls(
            begins,
            excess,
            shape,
            excess * (1 - shape),
            max(int(TAIL_SHARE * len(scores)), 1),
            weights.mean(axis=0),
            np.maximum(weights.std(axis=0), _LEAST_EXCESS),
            edges,
            int((scores > edges).any(axis=1).sum()),
        )

    def weigh(self, scores: Doubles) -> Doubles:
        """How much each row speaks for new mass far out: standardised, flat below the tail."""
        return (_weights(scores, self.begins, self.excess) - self.mean) / self.deviation

    def beyond(self, scores: Doubles) -> Doubles:
        """How far each row lies beyond 99 % of the reference, by the score that says more; 0: within."""
        return np.asarray(np.maximum(scores - self.edges, 0).max(axis=1))

    def redraw(self, scores: Doubles, rng: np.random.Generator) -> Doubles:
        """The scores with those in the tail drawn anew from a law of this one's posterior."""
        drawn = scores.copy()
        for column in range(scores.shape[1]):
            far = scores[:, column] > self.begins[column]
            stretch = rng.gamma(self.rows) / self.rows
            shape = self.shape[column]
            steps = np.expm1(shape * rng.standard_exponential(int(far.sum()))) / shape
            drawn[far, column] = self.begins[column] + self.scale[column] * stretch * steps
        return drawn


def _weights(scores: Doubles, begins: Doubles, excess: Doubles) -> Doubles:
    far = scores > begins
    return np.asarray(np.clip((scores - begins) / excess, 0, _LARGEST) + 0.5 * far)
