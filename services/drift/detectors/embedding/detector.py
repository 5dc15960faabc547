"""The embedding detector: fit a lens, calibrate its cells, and watch vectors through a ring of rows."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from services.drift.detectors.archive import pack, unpack
from services.drift.detectors.detector import Detection, Doubles, Floats
from services.drift.detectors.embedding.baseline import Baseline
from services.drift.detectors.embedding.calibration import Calibration, Effort, calibrate
from services.drift.detectors.embedding.cells import LONGEST_WINDOW
from services.drift.detectors.embedding.evidence import explain
from services.drift.detectors.embedding.features import Features
from services.drift.detectors.embedding.stored import baseline_arrays, stored_baseline
from shared.errors import Invalid

LEAST_REFERENCE = 60
WIDEST = 256  # wider vectors are first projected at random to this width
LARGEST_NUMBER = 1e6  # of a vector: fourth powers of longer ones, summed, are too large for 32 bits
_STRETCH = 128  # rows looked at together
_ROUNDING = 1e-6  # of 32-bit numbers, relative
_LEAST_VARIANCE = 1e-12


class EmbeddingDetector:
    """Watches vectors for new kinds, surges of known kinds, and shifts of the whole, in 46 cells.

    A cell is a statistic in a sliding window: the squared shift of the mean in whitened space (its
    U-statistic), the largest surge of a topic (exact beta-binomial law), the mean length and distance,
    and the mass far out; windows are 1 to 96 rows. The detector alarms when the strangest cell passes
    the height that null streams pass once in `target_run_length` rows.

    The map is whitening with the shrinkage of Ledoit and Wolf (2004, doi 10.1016/S0047-259X(03)00096-4);
    reference rows are held out of it in closed form, and calibration draws populations by the Bayesian
    bootstrap (Rubin, 1981, doi 10.1214/aos/1176345338), after the idea of Cobb et al. (2022,
    arXiv 2108.00883) to calibrate for the finite reference. Vectors wider than 256 are sketched by a
    seeded random projection (Johnson and Lindenstrauss, 1984).

    Measured by `benchmarks/drift_first.py`, with 8 references of 400 rows of 256 numbers and a target of
    20,000: run lengths were 1.33 of the target (95 % interval 0.90 to 2.08) on a synthetic mixture of
    topics and 1.23 (0.84 to 1.88) on banking77 through WordLlama. Single references differ: 1 to 7 false
    alarms where 4 were due, and 0 to 6. A new kind that made up a fifth of the rows was found after 14
    and 107 rows on average (12 and 93 at a target of 10,000). Calibration takes about 2 seconds of CPU.
    Rows are taken to be independent: bursts of like rows make more alarms.

    >>> rng = np.random.default_rng(7)
    >>> detector = EmbeddingDetector(effort=Effort(streams=24, rows=512))
    >>> _ = detector.fit(rng.normal(size=(200, 8))).calibrate(2000)
    >>> detector.update(rng.normal(size=(100, 8)))
    []
    >>> alarm = detector.update(rng.normal(size=(100, 8)) + 2)[0]
    >>> alarm.index, alarm.direction
    (1, 'new')
    """

    name = "embedding-cells"

    def __init__(
        self, *, seed: int = 0, most_topics: int = 20, effort: Effort | None = None
    ) -> None:
        self._seed = seed
        self._most_topics = most_topics
        self._effort = effort or Effort()
        self._width = 0
        self._sketch: Floats | None = None
        self._target = 0.0
        self._baseline: Baseline | None = None
        self._calibration: Calibration | None = None
        self._ring = Features.blank(0, 0)
        self._statistics: list[float] = []

    @property
    def threshold(self) -> float:
        return self._calibration.threshold if self._calibration else 0.0

    @property
    def statistics(self) -> Sequence[float]:
        return self._statistics

    def fit(self, reference: npt.ArrayLike) -> Self:
        rows = _vectors(reference)
        if len(rows) < LEAST_REFERENCE:
            raise Invalid(f"A reference needs {LEAST_REFERENCE} vectors, not {len(rows)}.")
        _require_variety(rows)
        self._look_at(rows.shape[1])
        rng = np.random.default_rng(self._seed)
        self._baseline = Baseline.fit(self._narrow(rows), self._most_topics, rng)
        self._calibration = None
        return self

    def calibrate(self, target_run_length: float) -> Self:
        if self._baseline is None or self._baseline.unseen is None:
            raise Invalid("The detector has no reference to calibrate on: fit it first.")
        rng = np.random.default_rng([self._seed, 1])
        self._calibration = calibrate(
            self._baseline.cells, self._baseline.unseen, target_run_length, rng, self._effort
        )
        self._target = float(target_run_length)
        self._restart()
        return self

    def update(self, batch: npt.ArrayLike) -> Sequence[Detection]:
        if self._calibration is None or self._baseline is None or not np.size(batch):
            return []
        rows = _vectors(batch)
        features = self._baseline.lens.see(self._narrow(rows))
        detections: list[Detection] = []
        self._statistics = []
        place = 0
        while place < len(features):
            seen = self._ring.followed_by(features[place : place + _STRETCH])
            strangeness = self._calibration.scale.strangeness(self._baseline.cells.watch(seen))
            strangest = strangeness.max(axis=1)
            over = np.flatnonzero(strangest > self._calibration.threshold)
            if not over.size:
                self._statistics += strangest.tolist()
                self._ring = seen[-LONGEST_WINDOW:]
                place += _STRETCH
                continue
            first = int(over[0])
            self._statistics += strangest[: first + 1].tolist()
            recent = seen[first + 1 : first + 1 + LONGEST_WINDOW]
            detections.append(self._detection(place + first, recent, strangeness[first]))
            self._restart()
            place += first + 1
        return detections

    def dump_baseline(self) -> bytes:
        if self._baseline is None or self._calibration is None:
            raise Invalid("The detector is not calibrated: there is nothing to store.")
        own = {"seed": self._seed, "width": self._width, "target": self._target}
        return pack(own | baseline_arrays(self._baseline, self._calibration))

    def dump_progress(self) -> bytes:
        ring = self._ring
        return pack({"white": ring.white, "topics": ring.topics, "scores": ring.scores})

    @classmethod
    def load(cls, baseline: bytes, progress: bytes) -> Self:
        arrays = unpack(baseline)
        detector = cls(seed=int(arrays["seed"]))
        detector._look_at(int(arrays["width"]))
        detector._target = float(arrays["target"])
        detector._baseline, detector._calibration = stored_baseline(arrays)
        ring = unpack(progress)
        detector._ring = Features(
            ring["white"].astype(np.float16),
            ring["topics"].astype(np.int16),
            ring["scores"].astype(np.float16),
        )
        return detector

    def _look_at(self, width: int) -> None:
        self._width, self._sketch = width, None
        if width > WIDEST:
            rng = np.random.default_rng([self._seed, 2])
            directions = rng.standard_normal((width, WIDEST), dtype=np.float32)
            self._sketch = directions / np.float32(np.sqrt(WIDEST))

    def _restart(self) -> None:
        self._ring = Features.blank(LONGEST_WINDOW, min(self._width, WIDEST))

    def _narrow(self, rows: Floats) -> Floats:
        if rows.shape[1] != self._width:
            raise Invalid(f"Expected vectors of {self._width} numbers, not {rows.shape[1]}.")
        return rows if self._sketch is None else np.asarray(rows @ self._sketch)

    def _detection(self, index: int, recent: Features, strangeness: Doubles) -> Detection:
        assert self._baseline is not None
        assert self._calibration is not None
        change = explain(recent, strangeness, self._baseline.cells)
        return Detection(
            index=index,
            statistic=float(strangeness.max()),
            threshold=self._calibration.threshold,
            target_run_length=self._target,
            direction=change.direction,
            change_ago=change.change_ago,
            window=change.window,
            before=change.before,
            after=change.after,
            reference_size=self._baseline.rows,
            exemplars=change.exemplars,
            details=change.details,
        )


def _vectors(rows: npt.ArrayLike) -> Floats:
    """The rows as vectors (n, d), d > 0, of numbers that can be reckoned with; no number is NaN."""
    vectors = np.asarray(rows, np.float32)
    if vectors.ndim != 2 or not vectors.size or not (np.abs(vectors) <= LARGEST_NUMBER).all():
        raise Invalid(
            f"Expected vectors of finite numbers up to {LARGEST_NUMBER:g}, of shape (n, d) with d > 0;"
            f" the shape was {vectors.shape}."
        )
    return vectors


def _require_variety(rows: Floats) -> None:
    """Raises `Invalid` for copies of one row: what they vary by is rounding, and any other row is far."""
    variance = float(rows.var(axis=0, dtype=np.float64).mean())
    power = float((rows.astype(np.float64) ** 2).mean())
    if variance <= max(_LEAST_VARIANCE, _ROUNDING**2 * power):
        raise Invalid(
            "The rows of the reference do not vary: there is no normal to learn from them."
        )
