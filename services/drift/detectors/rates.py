"""The rate detector: has the share of yes among yes and no gone up or down?"""

import numpy as np
from scipy.special import betaincinv

from services.drift.detectors.betting import DOUBT, Bets, BettingDetector
from services.drift.detectors.detector import Doubles

# The changes bet on, as steps of the log odds beyond the bound.
_LOG_ODDS_STEPS = np.array([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0])


class RateDetector(BettingDetector):
    """Likelihood ratio bets on a Bernoulli rate whose normal value is only known from a reference.

    A bet on p1 against p0 pays (p1/p0)^x ((1-p1)/(1-p0))^(1-x), which is 1 + slope (x - p0); p0 is the
    upper (lower) end of the interval of Clopper and Pearson (1934) for a bet on a rise (fall). See
    `BettingDetector` for why the target run length is a lower bound.

    >>> quiet, loud = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 1]
    >>> detector = RateDetector().fit(quiet * 40).calibrate(10_000)
    >>> detector.update(quiet * 100)
    []
    >>> alarm = detector.update(loud * 20)[0]
    >>> alarm.index, alarm.direction, alarm.change_ago, alarm.before, round(alarm.after, 2)
    (11, 'up', 12, 0.1, 0.69)
    """

    name = "rate-e-detector"

    def bounds(self, reference: Doubles) -> tuple[float, float]:
        n, k = len(reference), float(reference.sum())
        low = float(betaincinv(k, n - k + 1, DOUBT / 2)) if k > 0 else 0.0
        high = float(betaincinv(k + 1, n - k, 1 - DOUBT / 2)) if k < n else 1.0
        return low, high

    def bets(self, low: float, high: float) -> Bets:
        ups = [_bet(high, step) for step in _LOG_ODDS_STEPS] if high < 1 else []
        downs = [_bet(low, -step) for step in _LOG_ODDS_STEPS] if low > 0 else []
        slopes, centres = np.array(ups + downs).T
        return Bets(slopes, centres)


def _bet(rate: float, step: float) -> tuple[float, float]:
    odds = rate / (1 - rate) * np.exp(step)
    return (odds / (1 + odds) - rate) / (rate * (1 - rate)), rate
