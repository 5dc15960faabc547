"""The e-detector that rates and scores share: bets on a change, begun anew with every observation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from services.drift.detectors.archive import pack, unpack
from services.drift.detectors.detector import Detection, Doubles
from shared.errors import Invalid

DOUBT = 0.05  # the chance that the reference's mean lies outside the bounds
LEAST_REFERENCE = 20


@dataclass(frozen=True, slots=True)
class Bets:
    """Payoffs 1 + slope (x - centre) of a bet on a mean above (slope > 0) or below its centre.

    No bet gains on average while the mean is within the bounds that the centres come from, and none
    can lose more than its stake for x in [0, 1].
    """

    slopes: Doubles
    centres: Doubles

    def pay(self, values: Doubles) -> Doubles:
        """The payoffs (n, bets) of values (n,)."""
        return np.asarray(1 + self.slopes * (values[:, None] - self.centres))


@dataclass(slots=True)
class Ledger:
    """Per bet: the sum of all wagers ever begun, the best one alone, and what it has seen since."""

    sums: Doubles
    best: Doubles
    rows: Doubles
    total: Doubles

    @classmethod
    def empty(cls, bets: int) -> "Ledger":
        """Before the first observation."""
        return cls(np.zeros(bets), np.zeros(bets), np.zeros(bets), np.zeros(bets))

    def settle(self, value: float, payoffs: Doubles) -> None:
        """Begin one more wager of 1 on each bet, and let all of them pay."""
        self.sums = (1 + self.sums) * payoffs
        anew = self.best <= 1
        self.best = np.maximum(self.best, 1) * payoffs
        self.rows = np.where(anew, 0, self.rows) + 1
        self.total = np.where(anew, 0, self.total) + value


class BettingDetector:
    """A Shiryaev-Roberts e-detector over numbers in [0, 1] (Shin, Ramdas and Rinaldo, arXiv 2203.03532).

    M_t, the mean over bets of the sum over start times of their wealth, has E[M_t - t] <= 0 as long as
    the mean lies within the reference's bounds, whatever the dependence. Stopping at M_t >= c hence
    takes c rows or more on average. The bounds hold with probability 1 - `DOUBT`, so c is the target
    over 1 - `DOUBT`: the target then holds on average over references too, without any asymptotics.
    """

    name = "betting"

    def __init__(self) -> None:
        self._bets: Bets | None = None
        self._ledger = Ledger.empty(0)
        self._target = 0.0
        self._before = 0.0
        self._rows = 0
        self._statistics: list[float] = []

    @property
    def threshold(self) -> float:
        return self._target / (1 - DOUBT)

    @property
    def statistics(self) -> Sequence[float]:
        return self._statistics

    def bounds(self, reference: Doubles) -> tuple[float, float]:
        """A confidence interval of the reference's mean at level 1 - `DOUBT`."""
        raise NotImplementedError

    def bets(self, low: float, high: float) -> Bets:
        """The bets on a mean below `low` or above `high`."""
        raise NotImplementedError

    def fit(self, reference: npt.ArrayLike) -> Self:
        values = self._values(reference)
        if len(values) < LEAST_REFERENCE:
            raise Invalid(f"A reference needs {LEAST_REFERENCE} numbers, not {len(values)}.")
        self._bets = self.bets(*self.bounds(values))
        self._before = float(values.mean())
        self._rows = len(values)
        self._target = 0.0
        return self

    def calibrate(self, target_run_length: float) -> Self:
        if self._bets is None:
            raise Invalid("The detector has no reference to calibrate on: fit it first.")
        self._target = float(target_run_length)
        self._ledger = Ledger.empty(len(self._bets.slopes))
        return self

    def update(self, batch: npt.ArrayLike) -> Sequence[Detection]:
        values = self._values(batch)
        if self._bets is None or not self._target:
            return []
        detections = []
        self._statistics = []
        for index, payoffs in enumerate(self._bets.pay(values)):
            self._ledger.settle(float(values[index]), payoffs)
            statistic = float(self._ledger.sums.mean())
            self._statistics.append(statistic)
            if statistic >= self.threshold:
                detections.append(self._detection(index))
                self._ledger = Ledger.empty(len(payoffs))
        return detections

    def dump_baseline(self) -> bytes:
        if self._bets is None or not self._target:
            raise Invalid("The detector is not calibrated: there is nothing to store.")
        return pack(
            {
                "slopes": self._bets.slopes,
                "centres": self._bets.centres,
                "target": self._target,
                "before": self._before,
                "rows": self._rows,
            }
        )

    def dump_progress(self) -> bytes:
        ledger = self._ledger
        return pack({"ledger": [ledger.sums, ledger.best, ledger.rows, ledger.total]})

    @classmethod
    def load(cls, baseline: bytes, progress: bytes) -> Self:
        arrays = {name: array.astype(np.float64) for name, array in unpack(baseline).items()}
        detector = cls()
        detector._bets = Bets(arrays["slopes"], arrays["centres"])
        detector._target = float(arrays["target"])
        detector._before = float(arrays["before"])
        detector._rows = int(arrays["rows"])
        detector._ledger = Ledger(*unpack(progress)["ledger"].astype(np.float64))
        return detector

    def _values(self, numbers: npt.ArrayLike) -> Doubles:
        values = np.asarray(numbers, np.float64)
        if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
            raise Invalid(f"The {self.name} detector takes a list of numbers in [0, 1].")
        return values

    def _detection(self, index: int) -> Detection:
        assert self._bets is not None
        winner = int(self._ledger.sums.argmax())
        rows = int(self._ledger.rows[winner])
        return Detection(
            index=index,
            statistic=float(self._ledger.sums.mean()),
            threshold=self.threshold,
            target_run_length=self._target,
            direction="up" if self._bets.slopes[winner] > 0 else "down",
            change_ago=rows - 1,
            window=rows,
            before=self._before,
            after=float(self._ledger.total[winner]) / rows,
            reference_size=self._rows,
        )
