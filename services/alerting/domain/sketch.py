"""Quantiles of a stream in little memory, with a bound on the relative error."""

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.01

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 0.001  # seconds: nothing is faster, as far as an alert is concerned


class Sketch:
    """Counts in bins that grow by the factor gamma: DDSketch of Masson, Rim and Lee (VLDB 2019).

    Bin i holds the values in (gamma^(i-1), gamma^i]; any quantile is within 1 % of a value at its rank.
    Sketches add up exactly, bin by bin.

    >>> sketch = Sketch()
    >>> for value in range(1, 101):
    ...     sketch.add(value)
    >>> round(sketch.quantile(0.95), 2)
    94.64
    """

    def __init__(self, bins: Mapping[int, int] | None = None) -> None:
        self.bins: dict[int, int] = dict(bins or {})

    def add(self, value: float) -> None:
        """Count a value."""
        index = math.ceil(math.log(max(value, _SMALLEST)) / _LOG_GAMMA)
        self.bins[index] = self.bins.get(index, 0) + 1

    def merge(self, other: "Sketch") -> None:
        """Count everything that the other has counted."""
        for index, count in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + count

    def quantile(self, share: float) -> float:
        """The value below which this share of all lies; 0.0 when there are none."""
        rank = share * (sum(self.bins.values()) - 1)
        seen = 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen > rank:
                return float(2 * _GAMMA**index / (_GAMMA + 1))
        return 0.0
