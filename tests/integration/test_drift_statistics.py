"""What the detectors promise about chance, measured on streams drawn for it."""

import numpy as np
import pytest

from services.drift.detectors.betting import BettingDetector
from services.drift.detectors.embedding.calibration import Effort
from services.drift.detectors.embedding.detector import EmbeddingDetector
from services.drift.detectors.rates import RateDetector
from services.drift.detectors.scores import ScoreDetector, lower_mean_bound

TARGET = 400


def test_the_bound_of_a_mean_lies_below_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    means = [0.02, 0.3, 0.9]

    above = [
        np.mean(
            [lower_mean_bound((rng.random(100) < m).astype(float), 0.1) > m for _ in range(400)]
        )
        for m in means
    ]

    assert max(above) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)


@pytest.mark.parametrize("make", [RateDetector, ScoreDetector])
def test_false_alarms_of_numbers_are_rarer_than_asked_for(make: type[BettingDetector]) -> None:
    rng = np.random.default_rng(2)
    alarms, rows = 0, 0

    for _ in range(60):
        detector = make().fit((rng.random(100) < 0.2).astype(float)).calibrate(TARGET)
        alarms += len(detector.update((rng.random(2000) < 0.2).astype(float)))
        rows += 2000

    assert rows / max(alarms, 1) >= TARGET


def test_a_doubled_rate_is_seen_within_a_few_hundred_rows() -> None:
    rng = np.random.default_rng(3)
    detector = RateDetector().fit((rng.random(300) < 0.1).astype(float)).calibrate(10_000)

    found = detector.update((rng.random(2000) < 0.25).astype(float))

    assert found[0].index < 400
    assert found[0].after == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("topics", [1, 12])
def test_false_alarms_of_vectors_come_about_as_often_as_asked_for(topics: int) -> None:
    rng = np.random.default_rng(4)
    centres = rng.normal(size=(topics, 32)) * 2
    alarms, rows = 0, 0

    for seed in range(5):
        detector = EmbeddingDetector(seed=seed, effort=Effort(48, 1024))
        detector.fit(_mixture(rng, centres, 400)).calibrate(TARGET)
        alarms += len(detector.update(_mixture(rng, centres, 10_000)))
        rows += 10_000

    assert 0.5 <= rows / alarms / TARGET <= 3


def test_a_new_topic_and_a_surge_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(9, 32)) * 2
    detector = EmbeddingDetector(effort=Effort(48, 1024))
    detector.fit(_mixture(rng, centres[:8], 400)).calibrate(10_000)

    detector.update(_mixture(rng, centres[:8], 200))
    new = detector.update(_mixture(rng, centres[8:], 10))
    detector.update(_mixture(rng, centres[:8], 200))
    surge = detector.update(_mixture(rng, centres[:1], 40))

    assert new[0].direction == "new"
    assert surge[0].direction == "surge"
    assert surge[0].before < 0.2
    assert surge[0].after > 0.4


def _mixture(rng: np.random.Generator, centres: np.ndarray, rows: int) -> np.ndarray:
    return centres[rng.integers(len(centres), size=rows)] + rng.normal(size=(rows, 32))
