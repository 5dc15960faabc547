"""What a reference says: the lens and the cells to watch with, and its rows as unseen ones would look."""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles, Floats, Integers
from services.drift.detectors.embedding.cells import Cells
from services.drift.detectors.embedding.features import Lens, log_scores, shortening, topic_counts
from services.drift.detectors.embedding.tail import Tail
from services.drift.detectors.embedding.topics import find_topics, nearest, squared_distances
from services.drift.detectors.embedding.whitening import Whitening, hold_out

_CENTROID_SHARE = 1 / 3  # of the reference builds the centroids, the rest measures them
_ROWS_PER_TOPIC = 8
_MOST_HELD_OUT = 1500
# Of a log score: where rows are all alike, not every other row is an outlier.
_LEAST_DEVIATION = 0.05
_COPIES = 1e-3  # of the reference's variance: nearer than this, rows are copies


@dataclass(frozen=True, slots=True)
class Unseen:
    """Reference rows as rows not yet seen: none helped to make the map or the centroids it is seen with."""

    topics: Integers  # (m,)
    scores: Doubles  # (m, 2)
    products: Floats  # (m, m) of whitened rows


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted reference: what to watch with (`lens`, `cells`) and what to calibrate on (`unseen`).

    A baseline that was stored has no `unseen` rows any more.
    """

    lens: Lens
    cells: Cells
    rows: int
    unseen: Unseen | None

    @classmethod
    def fit(cls, rows: Floats, most_topics: int, rng: np.random.Generator) -> "Baseline":
        """Fit (n, d) rows: the map on all of them; the centroids on a third, measured on the rest."""
        order = rng.permutation(len(rows))
        cut = int(_CENTROID_SHARE * len(rows))
        centroids = find_topics(
            rows[order[:cut]], max(1, min(most_topics, cut // _ROWS_PER_TOPIC)), rng
        )
        measured = order[cut:][:_MOST_HELD_OUT]
        whitening = Whitening.fit(rows)
        held_out = hold_out(whitening, rows, measured)
        distances = squared_distances(rows[measured], centroids).min(axis=1)
        spread = float(rows.var(axis=0).sum())
        floors = _COPIES * np.array([rows.shape[1], max(spread, 1e-9)])
        logs = log_scores(held_out.norms, distances, floors)
        deviations = np.maximum(logs.std(axis=0), _LEAST_DEVIATION)
        reach = max(float(np.sqrt(np.median(held_out.norms))), 1e-3)
        short = shortening(held_out.norms, reach)
        products = (held_out.products * np.outer(short, short)).astype(np.float32)
        lens = Lens(whitening, centroids, reach, floors, logs.mean(axis=0), deviations)
        topics = nearest(rows[measured], centroids)
        scores = lens.standardise(held_out.norms, distances)
        cells = Cells.of(topic_counts(topics, len(centroids)), Tail.fit(scores))
        return cls(lens, cells, len(rows), Unseen(topics, scores, products))
