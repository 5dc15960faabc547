"""How fast an upstream answers: a moving average that believes bad news at once, and a high quantile.

"Peak EWMA" is Finagle's (twitter/finagle, `PeakEwma`): an answer slower than the average replaces it, a faster one
pulls it down by exponential weight in time, and time alone pulls it down too, so that who was slow is asked again.
"""

import math
from collections import deque

DECAY_SECONDS = 10.0
# Nobody has answered yet, and some wait: as bad as the worst, so that one is asked to see and not all.
UNKNOWN_SECONDS = 60.0
SAMPLES = 128
# Below so many answers a quantile says nothing.
MIN_SAMPLES = 20


class Latency:
    """The times of one upstream's answers, in seconds. Not of its failures: those are told apart.

    >>> latency = Latency()
    >>> latency.observe(0.0, 1.0); latency.observe(0.0, 3.0); latency.observe(10.0, 0.0)
    >>> round(latency.load(10.0, in_flight=1), 3)
    2.207
    """

    def __init__(self) -> None:
        self._average = 0.0
        self._at = 0.0
        self._recent: deque[float] = deque(maxlen=SAMPLES)

    def observe(self, now: float, seconds: float) -> None:
        """An answer took this long."""
        self._recent.append(seconds)
        self._blend(now, seconds)

    def punish(self, now: float, seconds: float) -> None:
        """It failed after this long: no quick failure may look like a quick answer."""
        self._blend(now, max(seconds, self._average, FAILURE_SECONDS))

    def average(self, now: float) -> float:
        """The moving average as of now; 0 while nothing is known."""
        return self._average * math.exp(-max(0.0, now - self._at) / DECAY_SECONDS)

    def load(self, now: float, *, in_flight: int) -> float:
        """The average times the calls that one more would make; less is better."""
        average = self.average(now)
        if not average and in_flight:
            return UNKNOWN_SECONDS + in_flight
        return average * (in_flight + 1)

    def quantile(self, share: float) -> float | None:
        """The time within which a share of the recent answers came; None while there are too few."""
        if len(self._recent) < MIN_SAMPLES:
            return None
        ranked = sorted(self._recent)
        return ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1)]

    def _blend(self, now: float, seconds: float) -> None:
        if seconds > self._average:
            self._average = seconds
        else:
            kept = math.exp(-max(0.0, now - self._at) / DECAY_SECONDS)
            self._average = self._average * kept + seconds * (1 - kept)
        self._at = now


FAILURE_SECONDS = 5.0
