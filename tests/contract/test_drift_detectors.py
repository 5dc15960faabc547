"""What every detector owes: one suite over all of them."""

import doctest
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from services.drift.detectors.detector import Detector
from services.drift.detectors.embedding.calibration import Effort
from services.drift.detectors.embedding.detector import EmbeddingDetector
from services.drift.detectors.rates import RateDetector
from services.drift.detectors.scores import ScoreDetector
from shared.errors import Invalid

TARGET = 2000


@dataclass(frozen=True)
class Case:
    """A detector, and rows of a population that it may watch, before and after a change."""

    make: Callable[[], Detector]
    normal: Callable[[np.random.Generator, int], npt.NDArray[np.generic]]
    changed: Callable[[np.random.Generator, int], npt.NDArray[np.generic]]


CASES = {
    "embedding": Case(
        lambda: EmbeddingDetector(effort=Effort(12, 512)),
        lambda rng, n: rng.normal(size=(n, 6)),
        lambda rng, n: rng.normal(size=(n, 6)) + 3,
    ),
    "wide embedding": Case(
        lambda: EmbeddingDetector(effort=Effort(4, 256)),
        lambda rng, n: rng.normal(size=(n, 300)),
        lambda rng, n: rng.normal(size=(n, 300)) * 1.5,
    ),
    "rate": Case(
        RateDetector,
        lambda rng, n: (rng.random(n) < 0.1).astype(float),
        lambda rng, n: (rng.random(n) < 0.7).astype(float),
    ),
    "score": Case(
        ScoreDetector,
        lambda rng, n: rng.beta(8, 2, n),
        lambda rng, n: rng.beta(2, 8, n),
    ),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


def a_calibrated(case: Case) -> Detector:
    return case.make().fit(case.normal(np.random.default_rng(1), 200)).calibrate(TARGET)


def test_there_is_no_alarm_before_calibration(case: Case) -> None:
    rng = np.random.default_rng(1)
    fitted = case.make().fit(case.normal(rng, 200))

    assert list(case.make().update(case.changed(rng, 100))) == []
    assert list(fitted.update(case.changed(rng, 100))) == []


def test_calibration_and_storage_need_a_reference(case: Case) -> None:
    with pytest.raises(Invalid, match="fit it first"):
        case.make().calibrate(TARGET)
    with pytest.raises(Invalid, match="not calibrated"):
        case.make().dump_baseline()


def test_a_reference_too_small_is_refused(case: Case) -> None:
    with pytest.raises(Invalid, match="A reference needs"):
        case.make().fit(case.normal(np.random.default_rng(1), 10))


def test_a_change_is_detected_soon_and_described(case: Case) -> None:
    rng = np.random.default_rng(2)
    detector = a_calibrated(case)
    assert list(detector.update(case.normal(rng, 100))) == []

    found = detector.update(case.changed(rng, 100))[0]

    assert found.index < 20
    assert found.statistic >= found.threshold
    assert found.target_run_length == TARGET
    assert found.reference_size == 200
    assert 0 <= found.change_ago <= 100
    assert all(0 <= age < 100 for age in found.exemplars)


def test_after_an_alarm_the_detector_starts_afresh(case: Case) -> None:
    rng = np.random.default_rng(3)
    detector = a_calibrated(case)
    changed = case.changed(rng, 60)
    alarm = detector.update(changed)[0]
    fresh = a_calibrated(case)

    again = fresh.update(changed[alarm.index + 1 :])
    whole = a_calibrated(case).update(changed)

    assert [one.index for one in again] == [one.index - alarm.index - 1 for one in whole[1:]]


def test_the_same_rows_lead_to_the_same_alarms_however_they_are_cut(case: Case) -> None:
    rng = np.random.default_rng(4)
    rows = np.concatenate([case.normal(rng, 150), case.changed(rng, 50)])
    cut, alarms = a_calibrated(case), []

    for begin in range(0, len(rows), 13):
        found = cut.update(rows[begin : begin + 13])
        alarms += [begin + one.index for one in found]

    assert alarms == [one.index for one in a_calibrated(case).update(rows)]
    assert alarms


def test_a_detector_goes_on_from_its_bytes_as_if_nothing_had_happened(case: Case) -> None:
    rng = np.random.default_rng(5)
    detector = a_calibrated(case)
    detector.update(case.normal(rng, 70))
    changed = case.changed(rng, 40)

    restored = type(detector).load(detector.dump_baseline(), detector.dump_progress())

    assert restored.dump_baseline() == detector.dump_baseline()
    assert restored.dump_progress() == detector.dump_progress()
    assert list(restored.update(changed)) == list(detector.update(changed))


def test_progress_stays_small_and_the_baseline_unchanged(case: Case) -> None:
    rng = np.random.default_rng(6)
    detector = a_calibrated(case)
    baseline, progress = detector.dump_baseline(), detector.dump_progress()

    detector.update(case.normal(rng, 500))

    assert detector.dump_baseline() == baseline
    assert len(detector.dump_progress()) == len(progress) < 60_000


@pytest.mark.parametrize("module", ["embedding.detector", "rates", "scores"])
def test_the_example_in_the_docstring_is_what_happens(module: str) -> None:
    tested = doctest.testmod(importlib.import_module(f"services.drift.detectors.{module}"))

    assert tested.attempted >= 4
    assert tested.failed == 0
