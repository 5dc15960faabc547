"""Topics: k-means centroids of a part of the reference, and the nearest one of a row."""

import numpy as np

from services.drift.detectors.detector import Floats, Integers

_ROUNDS = 12
_CANDIDATES = 3
_SMALLEST_TOPIC = 3


def find_topics(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    """At most `most` centroids of the rows, by greedy k-means++ (Arthur and Vassilvitskii, 2007).

    Clusters of fewer than three rows are dropped: a lone row is no topic.
    """
    centroids = _lloyd(rows, _seeds(rows, most, rng))
    sizes = np.bincount(nearest(rows, centroids), minlength=len(centroids))
    kept = centroids[sizes >= _SMALLEST_TOPIC]
    return _lloyd(rows, kept if len(kept) else rows.mean(axis=0, keepdims=True))


def squared_distances(rows: Floats, centroids: Floats) -> Floats:
    """The squared distance (n, k) of every row to every centroid, never negative."""
    cross = rows @ centroids.T
    squares = (rows**2).sum(axis=1)[:, None] + (centroids**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * cross, 0))


def nearest(rows: Floats, centroids: Floats) -> Integers:
    """The number of the nearest centroid of every row."""
    return np.asarray(squared_distances(rows, centroids).argmin(axis=1))


def _seeds(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    chosen = [int(rng.integers(len(rows)))]
    left = squared_distances(rows, rows[chosen])[:, 0].astype(np.float64)
    while len(chosen) < most and left.sum() > 0:
        tried = rng.choice(len(rows), _CANDIDATES, p=left / left.sum())
        remaining = np.minimum(left[:, None], squared_distances(rows, rows[tried]))
        best = int(remaining.sum(axis=0).argmin())
        chosen.append(int(tried[best]))
        left = remaining[:, best]
        left[chosen] = 0
    return rows[chosen]


def _lloyd(rows: Floats, centroids: Floats) -> Floats:
    for _ in range(_ROUNDS):
        members = np.eye(len(centroids), dtype=rows.dtype)[nearest(rows, centroids)]
        sizes = members.sum(axis=0)[:, None]
        centroids = np.where(sizes > 0, members.T @ rows / np.maximum(sizes, 1), centroids)
    return centroids
