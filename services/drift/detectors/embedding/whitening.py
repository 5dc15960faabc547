"""The map that makes a reference white, and how its own rows would look to a map that had not seen them."""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles, Floats, Integers
from shared.errors import Invalid

LARGEST_NORM = 1000.0  # a row further out than this is shortened to it: it alarms all the same
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Whitening:
    """y = projection' (x - mean), with the covariance shrunk by Ledoit and Wolf (2004).

    `shrinkage` is their intensity: 1 makes the map a mere scaling, 0 the plain whitening.
    """

    mean: Floats  # (d,)
    projection: Floats  # (d, d)
    shrinkage: float

    @classmethod
    def fit(cls, rows: Floats) -> "Whitening":
        """The map of a reference (n, d) with n >= 2. Raises `Invalid` when it has none."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        covariance = centred.T @ centred / len(rows)
        scale = max(float(np.trace(covariance)) / rows.shape[1], _TINY)
        shrinkage = _ledoit_wolf(centred, covariance, scale)
        try:
            variances, axes = np.linalg.eigh(covariance)
        except np.linalg.LinAlgError as fault:
            raise Invalid("The reference's covariance has no eigenvalues to be found.") from fault
        shrunk = (1 - shrinkage) * np.maximum(variances, 0) / scale + shrinkage
        projection = axes / np.sqrt(shrunk * scale)
        return cls(mean, projection.astype(np.float32), shrinkage)

    def apply(self, rows: Floats) -> Floats:
        """The whitened rows (n, d), none longer than `LARGEST_NORM`."""
        white = (rows - self.mean) @ self.projection
        lengths = np.linalg.norm(white, axis=1, keepdims=True)
        return np.asarray(white * np.minimum(1, LARGEST_NORM / np.maximum(lengths, _TINY)))


def _ledoit_wolf(centred: Floats, covariance: Floats, scale: float) -> float:
    n, dimensions = centred.shape
    power = float((covariance**2).sum())
    spread = power - dimensions * scale**2
    noise = (float(((centred**2).sum(axis=1) ** 2).sum()) / n - power) / n
    # Rows that do not vary leave nothing to shrink; the floor keeps directions never seen finite.
    return float(np.clip(noise / max(spread, _TINY), 1e-3, 1.0))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows of the reference as if the map had been fitted without them.

    `norms` (n,) are squared lengths, `products` (n, n) are y_i'y_j with both rows taken out of the map
    and of the mean; the diagonal means nothing and is 0.
    """

    norms: Doubles
    products: Floats


def hold_out(whitening: Whitening, rows: Floats, chosen: Integers) -> HeldOut:
    """The chosen rows of the fitted reference, held out in closed form (Sherman and Morrison).

    With q_i the squared length in the full map and c the weight of one row in the shrunk covariance,
    leaving row i out turns q_i into a_i = q_i / (1 - c q_i). Leaving out a pair divides its product by
    the determinant of the pair; and as it moves the mean by (x_i + x_j) / (n - 2), it adds to first
    order (a_i + a_j) / n for the rows themselves and c a_i a_j / n for the covariance about that mean.
    """
    n = len(rows)
    white = ((rows - whitening.mean) @ whitening.projection).astype(np.float64)
    weight = (1 - whitening.shrinkage) * n / (n - 1.0) ** 2
    norms = (white**2).sum(axis=1)
    left = np.maximum(1 - weight * norms, 0.05)
    alone = norms / left
    products = white[chosen] @ white[chosen].T
    kept = left[chosen]
    products /= np.maximum(np.outer(kept, kept) - (weight * products) ** 2, 0.0025)
    np.fill_diagonal(products, 0)
    # The map in use has seen one row more than a held-out map: to first order it is this much smaller.
    count = max(len(chosen) * (len(chosen) - 1), 1)
    power = float((products**2).sum()) / count
    shrink = max(1 - weight * float(left.mean()) * power / max(float(alone.mean()), _TINY), 0.5)
    shift = 1 / max(n - 2.0, 1.0)
    products = (1 + 2 * shift + 2 * shift**2) * products
    seen = alone[chosen]
    products += shift * ((1 + shift) * np.add.outer(seen, seen) + weight * np.outer(seen, seen))
    products = _centre(products)
    squared = np.minimum(seen * (n / (n - 1.0)) ** 2 * shrink, LARGEST_NORM**2)
    return HeldOut(squared, products.astype(np.float32))


def _centre(products: Doubles) -> Doubles:
    """The products about the mean of the chosen rows, which are only a part: the overall mean stays."""
    np.fill_diagonal(products, 0)
    means = products.sum(axis=1) / max(len(products) - 1, 1)
    off = means - means.mean()
    centred = products - np.add.outer(off, off)
    np.fill_diagonal(centred, 0)
    return np.asarray(centred)
