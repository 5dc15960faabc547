"""A calibrated baseline as arrays, and back."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from services.drift.detectors.embedding.baseline import Baseline
from services.drift.detectors.embedding.calibration import Calibration, Scale
from services.drift.detectors.embedding.cells import Cells
from services.drift.detectors.embedding.features import Lens
from services.drift.detectors.embedding.tail import Tail
from services.drift.detectors.embedding.whitening import Whitening


def baseline_arrays(baseline: Baseline, calibration: Calibration) -> dict[str, npt.ArrayLike]:
    """Everything needed to watch; the reference's own rows are not kept."""
    lens, tail, scale = baseline.lens, baseline.cells.tail, calibration.scale
    return {
        "rows": baseline.rows,
        "mean": lens.whitening.mean,
        "projection": lens.whitening.projection,
        "shrinkage": lens.whitening.shrinkage,
        "centroids": lens.centroids,
        "reach": lens.reach,
        "floors": lens.floors,
        "means": lens.means,
        "deviations": lens.deviations,
        "counts": baseline.cells.counts,
        "threshold": calibration.threshold,
        "scale": np.stack([scale.begins, scale.linear, scale.squared]),
        **{f"tail_{name}": value for name, value in asdict(tail).items()},
    }


def stored_baseline(arrays: Mapping[str, npt.NDArray[np.generic]]) -> tuple[Baseline, Calibration]:
    """The inverse of `baseline_arrays`."""
    vectors = {name: array.astype(np.float64) for name, array in arrays.items()}
    whitening = Whitening(
        arrays["mean"].astype(np.float32),
        arrays["projection"].astype(np.float32),
        float(arrays["shrinkage"]),
    )
    lens = Lens(
        whitening,
        arrays["centroids"].astype(np.float32),
        float(arrays["reach"]),
        vectors["floors"],
        vectors["means"],
        vectors["deviations"],
    )
    tail = Tail(
        begins=vectors["tail_begins"],
        excess=vectors["tail_excess"],
        shape=vectors["tail_shape"],
        scale=vectors["tail_scale"],
        rows=int(arrays["tail_rows"]),
        mean=vectors["tail_mean"],
        deviation=vectors["tail_deviation"],
        edges=vectors["tail_edges"],
        outside=int(arrays["tail_outside"]),
    )
    cells = Cells.of(arrays["counts"].astype(np.int64), tail)
    calibration = Calibration(Scale(*vectors["scale"]), float(arrays["threshold"]))
    return Baseline(lens, cells, int(arrays["rows"]), None), calibration
