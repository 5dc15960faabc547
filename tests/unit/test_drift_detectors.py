"""Exact figures of the detectors' parts."""

import numpy as np
import numpy.typing as npt
import pytest

from services.drift.detectors.embedding.calibration import Effort
from services.drift.detectors.embedding.cells import CELLS, share_surprise
from services.drift.detectors.embedding.detector import EmbeddingDetector
from services.drift.detectors.embedding.topics import find_topics, nearest
from services.drift.detectors.embedding.whitening import Whitening, hold_out
from services.drift.detectors.rates import RateDetector
from services.drift.detectors.scores import lower_mean_bound
from shared.errors import Invalid
from shared.fields import MAX_COORDINATE


def test_the_budgets_of_all_cells_add_up_to_every_false_alarm() -> None:
    assert sum(cell.budget for cell in CELLS) == pytest.approx(1)


def test_a_share_surprises_as_the_beta_binomial_law_says() -> None:
    surprises = share_surprise(count=0, rows=1, window=2)

    # Jeffreys' posterior Beta(1/2, 3/2): P(>= 1 of 2) = 3/8, P(2 of 2) = 1/8.
    assert np.exp(-surprises) == pytest.approx([1, 3 / 8, 1 / 8], rel=1e-6)


def test_whitening_leaves_isotropic_rows_at_unit_variance() -> None:
    rows = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)

    white = Whitening.fit(rows * 3 + 7).apply(rows * 3 + 7)

    assert white.var(axis=0) == pytest.approx(np.ones(5), abs=0.1)


def test_a_row_held_out_is_as_far_as_the_map_of_the_others_puts_it() -> None:
    rng = np.random.default_rng(2)
    rows = (rng.normal(size=(300, 20)) * np.linspace(0.2, 3, 20)).astype(np.float32)

    held_out = hold_out(Whitening.fit(rows), rows, np.arange(40))

    refitted = [
        (Whitening.fit(np.delete(rows, n, axis=0)).apply(rows[n : n + 1]) ** 2).sum()
        for n in range(40)
    ]
    assert held_out.norms.mean() == pytest.approx(np.mean(refitted), rel=0.02)
    assert np.corrcoef(held_out.norms, refitted)[0, 1] > 0.995


def test_topics_are_found_where_rows_crowd() -> None:
    rng = np.random.default_rng(3)
    places = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    rows = places.repeat(30, axis=0) + rng.normal(size=(90, 2)).astype(np.float32) * 0.1

    topics = nearest(rows, find_topics(rows, 3, rng))

    assert [len(set(topics[n : n + 30])) for n in (0, 30, 60)] == [1, 1, 1]
    assert len(set(topics)) == 3


def test_rates_are_bound_as_clopper_and_pearson_say() -> None:
    low, high = RateDetector().bounds(np.array([1.0] * 5 + [0.0] * 95))

    assert (round(low, 4), round(high, 4)) == (0.0164, 0.1128)


def test_a_rate_never_seen_has_no_bets_on_a_fall() -> None:
    low, high = RateDetector().bounds(np.zeros(100))

    assert low == 0
    assert (RateDetector().bets(low, high).slopes > 0).all()


def test_a_mean_is_bound_from_below_and_closer_with_more_scores() -> None:
    few, many = np.tile([0.7, 0.8, 0.9], 10), np.tile([0.7, 0.8, 0.9], 100)

    assert [lower_mean_bound(few, 0.025), lower_mean_bound(many, 0.025)] == [0.632, 0.778]


@pytest.mark.parametrize("values", [[0.5, 1.5], [[0.5]], [float("nan")]])
def test_numbers_outside_0_to_1_are_refused(values: npt.ArrayLike) -> None:
    with pytest.raises(Invalid, match="numbers in"):
        RateDetector().fit([0, 1] * 20).calibrate(100).update(values)


def test_vectors_of_another_width_are_refused() -> None:
    rng = np.random.default_rng(1)
    detector = EmbeddingDetector(effort=Effort(4, 256))
    detector.fit(rng.normal(size=(60, 3))).calibrate(100)

    with pytest.raises(Invalid, match="vectors of 3 numbers, not 4"):
        detector.update(rng.normal(size=(2, 4)))


@pytest.mark.parametrize("number", [np.nan, np.inf, 2e6])
def test_vectors_that_cannot_be_reckoned_with_are_refused(number: float) -> None:
    rows = np.random.default_rng(1).normal(size=(60, 3))
    detector = EmbeddingDetector(effort=Effort(4, 256)).fit(rows).calibrate(100)
    rows[7, 1] = number

    with pytest.raises(Invalid, match="finite numbers up to 1e\\+06"):
        detector.update(rows)
    with pytest.raises(Invalid, match="finite numbers up to 1e\\+06"):
        detector.fit(rows)


def test_the_largest_vectors_that_a_door_lets_in_can_be_learnt_from_and_watched() -> None:
    signs = np.sign(np.random.default_rng(2).normal(size=(60, 8192)))
    rows = np.float32(MAX_COORDINATE) * signs

    detector = EmbeddingDetector(effort=Effort(2, 256)).fit(rows).calibrate(100)

    found = detector.update(np.full((8, 8192), MAX_COORDINATE))
    assert found
    assert np.isfinite([(alarm.statistic, alarm.threshold) for alarm in found]).all()


def test_a_covariance_without_eigenvalues_is_no_reference() -> None:
    with pytest.raises(Invalid, match="eigenvalues"):
        Whitening.fit(np.full((60, 3), np.nan, np.float32))
