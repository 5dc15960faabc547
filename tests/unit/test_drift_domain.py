"""The life of a stream: learning, watching, holding its tongue, saying that it goes on, learning anew."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from services.drift.detectors.detector import Floats
from services.drift.detectors.embedding.calibration import Effort
from services.drift.domain import Observation, Policy, Stream, StreamKey
from services.drift.trail import TRAIL_ROWS, Label, Trail
from services.drift.wording import summary
from tests.drift import rows as rows_of

KEY = StreamKey("acme", "demo", "production", "refusal_rate")
VECTORS = StreamKey("acme", "demo", "production", "embedding", "client-4")
POLICY = Policy(
    reference_size=60,
    quality_reference_size=100,
    target_run_length=1000,
    cooldown=50,
    effort=Effort(8, 256),
)
QUIET = [0.0] * 9 + [1.0]


def rows(values: Sequence[float]) -> list[Observation]:
    return rows_of(KEY, values)


def vectors(values: Floats) -> list[Observation]:
    return rows_of(VECTORS, list(values))


def usual(rows: int = 60) -> Floats:
    return np.random.default_rng(5).normal(size=(rows, 4)).astype(np.float32)


def test_nothing_is_found_while_a_stream_learns() -> None:
    stream = Stream(KEY, POLICY)

    assert stream.observe(rows([1.0] * 99)) == []
    assert stream.detector is None


def test_a_stream_watches_from_the_row_after_its_reference() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 20))

    assert [finding.observation.event_id for finding in found] == ["event-107"]
    assert found[0].detection.reference_size == 100


def test_where_a_batch_is_cut_changes_nothing() -> None:
    values = rows(QUIET * 10 + [1.0] * 200)
    whole, parts = Stream(KEY, POLICY), Stream(KEY, POLICY)

    at_once = whole.observe(values)
    in_parts = [f for n in range(0, len(values), 7) for f in parts.observe(values[n : n + 7])]

    assert [f.observation for f in in_parts] == [f.observation for f in at_once]


def test_a_lasting_shift_is_told_again_only_after_the_cooldown_and_as_continuing() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 120))

    numbers = [int(f.observation.event_id.removeprefix("event-")) for f in found]
    assert numbers == [107, 163, 219]
    assert [f.continuing for f in found] == [False, True, True]


def test_a_shift_after_a_long_quiet_is_a_new_one() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 10 + QUIET * 20 + [1.0] * 20))

    assert [f.continuing for f in found] == [False, False]


def test_a_stream_told_to_relearn_takes_a_lasting_shift_for_normal() -> None:
    policy = Policy(60, 100, target_run_length=1000, cooldown=50, relearn_after=1)
    stream = Stream(KEY, policy)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 500))

    assert [f.continuing for f in found] == [False, True]
    assert stream.turns == 3


def test_a_models_streams_share_its_false_alarms() -> None:
    ten = [
        *("error_rate", "refusal_rate", "thumbs_down_rate", "rating:stars", "score:empty"),
        *("score:json_valid", "score:language_switch", "score:length", "score:pii_seen"),
        "score:toxicity",
    ]
    keys = [VECTORS, *(replace(KEY, feature=feature) for feature in ten)]

    false_alarms_per_call = sum(1 / POLICY.run_length(key) for key in keys)

    assert false_alarms_per_call == pytest.approx(1 / POLICY.target_run_length)
    assert (POLICY.run_length(VECTORS), POLICY.run_length(KEY)) == (2_000, 20_000)


def test_a_finding_says_how_often_its_stream_and_its_model_cry_wolf() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 20))

    assert found[0].detection.target_run_length == 20_000
    assert found[0].model_run_length == 1_000


@pytest.mark.parametrize(
    ("unfit", "flaw"),
    [
        (usual() * np.float32(1e20), "numbers"),
        (usual() * np.float32(np.nan), "numbers"),
        (np.ones((60, 4), np.float32), "do not vary"),
        (np.zeros((60, 4), np.float32), "do not vary"),
        (usual() * np.float32(1e-20), "do not vary"),
        (np.ones((60, 0), np.float32), "numbers"),
    ],
    ids=["huge", "not finite", "copies", "nothing", "tiny", "no dimension"],
)
def test_a_reference_that_cannot_be_fitted_is_dropped_and_learnt_anew(
    unfit: Floats, flaw: str
) -> None:
    stream = Stream(VECTORS, POLICY)

    assert stream.observe(vectors(unfit)) == []
    assert (stream.reference, stream.detector, stream.turns) == ([], None, 1)
    assert flaw in stream.flaw

    stream.observe(vectors(usual()))
    assert stream.detector is not None
    assert stream.flaw == ""


def test_vectors_of_another_width_begin_a_new_reference() -> None:
    learning, watching = Stream(VECTORS, POLICY), Stream(VECTORS, POLICY)
    wider = np.random.default_rng(6).normal(size=(60, 7)).astype(np.float32)

    for stream, rows_before in ((learning, 30), (watching, 80)):
        stream.observe(vectors(usual(rows_before)))
        stream.observe(vectors(wider[:1]))
        assert (len(stream.reference), stream.detector) == (1, None)
        stream.observe(vectors(wider[1:]))
        assert stream.detector is not None


@pytest.mark.parametrize("value", [float("nan"), 7.0])
def test_a_number_that_is_none_makes_a_stream_learn_anew(value: float) -> None:
    stream = Stream(KEY, POLICY)
    stream.observe(rows(QUIET * 10))

    stream.observe(rows([value]))

    assert (len(stream.reference), stream.detector) == (1, None)


def test_a_reference_longer_than_wanted_now_is_fitted_at_once() -> None:
    stream = Stream(KEY, POLICY, reference=[0.0] * 150)

    stream.observe(rows([0.0]))

    assert stream.detector is not None
    assert stream.reference == []


def test_the_change_is_dated_by_the_row_it_began_with() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 20))

    assert found[0].detection.change_ago == 7
    assert found[0].changed_at_us == 100_000


def test_a_rate_is_told_in_a_sentence() -> None:
    stream = Stream(KEY, POLICY)

    found = stream.observe(rows(QUIET * 10 + [1.0] * 80))

    assert summary(found[0]) == (
        "Refusals rose from 10.0% to 100.0% over the last 8 observations;"
        " false alarms of this model: 1 in 1,000 calls."
    )
    assert summary(found[1]).startswith("Still so: Refusals rose from 10.0%")


def test_a_trail_remembers_the_last_labels_and_dates_older_rows_by_a_mark_before() -> None:
    trail = Trail()

    for n in range(1000):
        trail.add(Label(f"i{n}", n, ""))

    assert len(trail.labels) == TRAIL_ROWS
    assert trail.back(0) == Label("i999", 999, "")
    assert trail.back(TRAIL_ROWS) is None
    assert trail.time_back(95) == 904
    assert trail.time_back(500) == 496
    assert len(trail.marks) <= 128
