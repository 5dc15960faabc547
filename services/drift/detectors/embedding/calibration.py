"""Calibration: how often would this detector alarm on populations that could have made its reference?

The detector is fixed and the population random. Every simulated stream draws one by the Bayesian
bootstrap (Rubin, 1981) of rows the detector has not seen, so that the answer holds on average over the
references a population might have given, not only for the rows that were at hand.
"""

from dataclasses import dataclass

import numpy as np

from services.drift.detectors.detector import Doubles, Floats, Integers
from services.drift.detectors.embedding.baseline import Unseen
from services.drift.detectors.embedding.cells import CELLS, LONGEST_WINDOW, MEAN_WINDOWS, Cells

_FINEST = 0.05  # standard deviations of a cell: what lies closer is told apart by rounding alone
_LEVELS = (3e-2, 3e-3, 3e-4)  # the tail probabilities through which a cell's scale is drawn


# A reference of some hundred rows misses rare kinds of row that the population has, and no resampling of
# it brings them back: without this factor, measured run lengths were 0.4 to 0.8 of the target.
_CAUTION = 1.5


@dataclass(frozen=True, slots=True)
class Effort:
    """How much null data is simulated: so many streams of so many rows."""

    streams: int = 192
    rows: int = 2048


@dataclass(frozen=True, slots=True)
class Scale:
    """Cells on one scale, -ln p less the cell's budget: linear and squared terms above the 3 % point."""

    begins: Doubles
    linear: Doubles
    squared: Doubles

    @classmethod
    def fit(cls, cells: Floats) -> "Scale":
        """The scale of cells (n, cells) of null rows."""
        first, second, third = np.quantile(cells, [1 - p for p in _LEVELS], axis=0).astype(float)
        finest = _FINEST * cells.std(axis=0, dtype=np.float64) + 1e-6
        near = np.maximum(second - first, finest)
        far = np.maximum(third - first, near + finest)
        step = float(np.log(_LEVELS[0] / _LEVELS[1]))
        squared = np.maximum((2 * step / far - step / near) / (far - near), 0)
        return cls(first, (2 * step - squared * far**2) / far, squared)

    def strangeness(self, cells: Floats) -> Doubles:
        """-ln p of each cell plus the logarithm of its budget (n, cells)."""
        above = np.maximum(cells - self.begins, 0)
        surprise = -np.log(_LEVELS[0]) + above * (self.linear + self.squared * above)
        return np.asarray(np.where(above > 0, surprise, 0) + _LOG_BUDGETS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A scale for the cells, and the height of their maximum at which to alarm."""

    scale: Scale
    threshold: float


def calibrate(
    cells: Cells,
    unseen: Unseen,
    target_run_length: float,
    rng: np.random.Generator,
    effort: Effort,
) -> Calibration:
    """The threshold with one false alarm per `target_run_length` rows on average."""
    streams = simulate(cells, unseen, rng, effort)
    scale = Scale.fit(streams.reshape(-1, len(CELLS)))
    highest = np.stack([scale.strangeness(stream).max(axis=1) for stream in streams])
    return Calibration(scale, threshold(highest, _CAUTION * target_run_length))


def simulate(cells: Cells, unseen: Unseen, rng: np.random.Generator, effort: Effort) -> Floats:
    """All cells (streams, rows, cells) of null streams."""
    size = (effort.streams, effort.rows + LONGEST_WINDOW)
    weights = rng.standard_exponential((effort.streams, len(unseen.topics)))
    steps = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    draws = np.stack([np.searchsorted(s, rng.random(size[1])) for s in steps])
    draws = np.minimum(draws, len(unseen.topics) - 1)
    means = _pair_sums(unseen, draws, rng)
    streams = []
    for drawn, mean in zip(draws, means, strict=True):
        scores = cells.tail.redraw(unseen.scores[drawn], rng)
        # The error of the map is common to all lengths, so that rows alone show only half the doubt.
        scores[:, 0] += rng.normal() / np.sqrt(len(unseen.topics))
        streams.append(cells.assemble(mean, unseen.topics[drawn], scores))
    return np.stack(streams)


def _pair_sums(unseen: Unseen, draws: Integers, rng: np.random.Generator) -> Floats:
    """The mean block (streams, rows, windows) of streams given as row numbers of the reference.

    A row drawn twice into one window would be its own twin, which no stream of fresh rows has: the
    product of a row with itself is replaced by that with another row, drawn at random.
    """
    rows = len(unseen.topics)
    others = (draws + rng.integers(1, max(rows, 2), size=draws.shape)) % rows
    new = draws.shape[1] - LONGEST_WINDOW
    sums = np.zeros((len(MEAN_WINDOWS), draws.shape[0], new))
    for lag in range(1, LONGEST_WINDOW):
        now, before = draws[:, lag:], draws[:, :-lag]
        pairs = unseen.products[now, np.where(now == before, others[:, lag:], before)]
        running = np.zeros((draws.shape[0], draws.shape[1] + 1))
        np.cumsum(pairs, axis=1, out=running[:, lag + 1 :])
        latest = running[:, LONGEST_WINDOW + 1 :]
        for place, window in enumerate(MEAN_WINDOWS):
            if lag < window:
                begin = LONGEST_WINDOW + 1 - window + lag
                sums[place] += latest - running[:, begin : begin + new]
    return np.moveaxis(sums, 0, 2).astype(np.float32)


def threshold(highest: Doubles, target_run_length: float) -> float:
    """The height that the streams (streams, rows) exceed once in `target_run_length` rows.

    ln(run length) is nearly linear in the height. A curve through heights with 20 alarms or more reads
    it off where alarms are too rare to count; its curvature is clipped, for a free one ran away.
    """
    heights = np.unique(np.quantile(highest, 1 - np.geomspace(2e-2, 2e-5, 16)))
    alarms = np.array([sum(_alarms(stream, h) for stream in highest) for h in heights])
    lengths = highest.size / np.maximum(alarms, 0.5)
    enough = (alarms >= 20) & (lengths >= 100)
    if enough.sum() < 3:
        enough = alarms >= 2
    x, y, weights = heights[enough], np.log(lengths[enough]), np.sqrt(alarms[enough])
    if len(x) < 3:
        return float(heights[-1])
    centre = x.mean()
    bend = float(np.clip(np.polyfit(x - centre, y, 2, w=weights)[0], -0.04, 0.02))
    slope, level = np.polyfit(x - centre, y - bend * (x - centre) ** 2, 1, w=weights)
    grid = np.linspace(x[0] - centre, x[-1] - centre + 12, 4000)
    curve = np.maximum.accumulate(level + slope * grid + bend * grid**2)
    return float(centre + np.interp(np.log(target_run_length), curve, grid))


def _alarms(stream: Doubles, height: float) -> int:
    """How often a stream alarms when every alarm is followed by a full refill of the windows."""
    over = np.flatnonzero(stream > height)
    count, place = 0, 0
    while place < len(over):
        count += 1
        place = int(np.searchsorted(over, over[place] + 1 + LONGEST_WINDOW))
    return count


_LOG_BUDGETS = np.log([cell.budget for cell in CELLS])
