"""What every detector is: learn a reference, fix a false alarm rate, then look at what comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Detection:
    """An alarm of a detector.

    `index` is the row of the batch that raised it, and `change_ago` how many rows before it the change
    is estimated to have begun (0: with it). `before` and `after` are what `direction` speaks of: a rate,
    a mean, or the share of a kind of row, in the reference and since the change. `exemplars` are the
    rows that show the change best, best first, as numbers of rows before the alarming one.
    """

    index: int
    statistic: float
    threshold: float
    target_run_length: float
    direction: str  # up | down | new | surge | shift
    change_ago: int
    window: int
    before: float
    after: float
    reference_size: int
    exemplars: tuple[int, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


class Detector(Protocol):
    """A sequential test of "these rows look like the reference", over vectors (n, d) or numbers (n,)."""

    @property
    def name(self) -> str:
        """The algorithm, as detections are labelled with it."""
        ...

    def fit(self, reference: npt.ArrayLike) -> Self:
        """Learn what normal is. Forgets everything learnt before. Raises `Invalid` when it cannot."""
        ...

    def calibrate(self, target_run_length: float) -> Self:
        """Fix the mean number of rows between two false alarms. Needs `fit`; may take seconds."""
        ...

    @property
    def threshold(self) -> float:
        """What a statistic has to pass to be an alarm. Needs `calibrate`."""
        ...

    @property
    def statistics(self) -> Sequence[float]:
        """What the last `update` found of each of its rows; empty before."""
        ...

    def update(self, batch: npt.ArrayLike) -> Sequence[Detection]:
        """Look at the next rows, in order; every alarm restarts the detector behind its row.

        The alarms do not depend on how the rows are cut into batches. Before `calibrate` there are none.
        """
        ...

    def dump_baseline(self) -> bytes:
        """What `fit` and `calibrate` made, which `update` never changes."""
        ...

    def dump_progress(self) -> bytes:
        """What `update` changes: small, and of a bounded size."""
        ...

    @classmethod
    def load(cls, baseline: bytes, progress: bytes) -> Self:
        """The calibrated detector that was dumped: it goes on as if nothing had happened."""
        ...
