"""The score detector: has the mean of scores in [0, 1] gone up or down?"""

import numpy as np

from services.drift.detectors.betting import DOUBT, Bets, BettingDetector
from services.drift.detectors.detector import Doubles

# What part of the largest safe stake a bet puts on every observation.
_STAKES = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
_GRID = np.linspace(0, 1, 1001)


class ScoreDetector(BettingDetector):
    """Bets on the mean of bounded scores, of whatever distribution and dependence.

    The normal mean is only known from a reference, within the betting interval of Waudby-Smith and
    Ramdas (2024, arXiv 2010.09686). See `BettingDetector` for why the target run length is a lower bound.

    >>> detector = ScoreDetector().fit([0.8, 0.9, 0.7, 0.8] * 75).calibrate(10_000)
    >>> detector.update([0.8, 0.9, 0.7, 0.8] * 250)
    []
    >>> alarm = detector.update([0.5, 0.6, 0.4] * 40)[0]
    >>> alarm.index, alarm.direction, alarm.change_ago, round(alarm.before, 2), round(alarm.after, 2)
    (12, 'down', 14, 0.8, 0.53)
    """

    name = "score-e-detector"

    def bounds(self, reference: Doubles) -> tuple[float, float]:
        low = lower_mean_bound(reference, DOUBT / 2)
        return low, 1 - lower_mean_bound(1 - reference, DOUBT / 2)

    def bets(self, low: float, high: float) -> Bets:
        ups = [(stake / high, high) for stake in _STAKES]
        downs = [(-stake / (1 - low), low) for stake in _STAKES]
        slopes, centres = np.array(ups + downs).T
        return Bets(slopes, centres)


def lower_mean_bound(values: Doubles, doubt: float) -> float:
    """A bound that the mean lies above but for a chance of `doubt`.

    It is the largest mean up to which a gambler against every smaller one has made 1/`doubt`.

    The stake on each value is set by the variance of those before it (the predictable plug-in of
    section 3 of the paper), and never more than half of what could be lost.
    """
    n = len(values)
    counts = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(values)) / (counts + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (counts + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    stakes = np.sqrt(2 * np.log(1 / doubt) / (n * before))[:, None]
    capped = np.minimum(stakes, 0.5 / np.maximum(_GRID, 1e-9))
    wealth = np.log1p(capped * (values[:, None] - _GRID)).sum(axis=0)
    rejected = int(np.argmax(wealth < -np.log(doubt)))
    return float(_GRID[max(rejected - 1, 0)])
