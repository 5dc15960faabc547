"""Windows of what is watched: what they add up, when they close, what is late, and what a batch writes."""

import math
from dataclasses import replace

import numpy as np

from services.drift.domain import Observation, StreamKey
from services.drift.windows import Measured, Reading, Terms, Windows
from tests.drift import Stored

SECOND = 1_000_000
NOW_US = 10_000 * SECOND
TERMS = Terms(window_seconds=60, grace_seconds=30, quiet_seconds=300, most_of_tenant=4)


def key(feature: str = "error_rate", *, model: str = "m", tenant: str = "acme") -> StreamKey:
    return StreamKey(tenant, model, "production", feature)


def reading(
    of: StreamKey,
    *rows: tuple[float, float],
    statistics: tuple[float, ...] = (),
    threshold: float = 0.0,
) -> Reading:
    """Rows as (second, number), each read from an event that is named by its second."""
    observations = [
        Observation(of, number, f"at {second:g}", "default", "i", round(second * SECOND))
        for second, number in rows
    ]
    return Reading(of, observations, statistics or (math.nan,) * len(rows), threshold)


def told(measured: list[Measured]) -> list[tuple[str, int, int, int]]:
    """Of each window its model, its first second, its rows, and the late ones."""
    return [
        (each.key.model, each.window.begins_at_us // SECOND, each.window.rows, each.late_rows)
        for each in measured
    ]


def test_a_window_is_told_when_its_stream_is_past_its_end_by_the_grace() -> None:
    windows = Windows(TERMS)

    before, _ = windows.observe([reading(key(), (0, 1.0), (59, 0.0), (60, 1.0), (89, 1.0))], NOW_US)
    after, _ = windows.observe([reading(key(), (90, 0.0))], NOW_US)

    assert before == []
    assert told(after) == [("m", 0, 2, 0)]


def test_a_window_adds_its_numbers_up() -> None:
    windows = Windows(TERMS)

    rows = reading(key("score:tone"), (1, 0.5), (2, 0.25), (3, 0.75), (100, 1.0))
    [measured] = windows.observe([rows], NOW_US)[0]

    window = measured.window
    assert (window.opened_by, window.total, window.lowest, window.highest) == (
        "at 1",
        1.5,
        0.25,
        0.75,
    )
    assert window.watched == 0


def test_a_window_keeps_the_statistic_of_the_rows_that_were_watched() -> None:
    windows = Windows(TERMS)
    of = key("embedding")
    vectors = [
        Observation(of, np.ones(3, np.float32), "e", "default", "i", at * SECOND)
        for at in (1, 2, 3, 90)
    ]

    [measured] = windows.observe([Reading(of, vectors, [math.nan, 2.0, 4.0, 9.0], 12.5)], NOW_US)[0]

    window = measured.window
    assert (window.rows, window.watched, window.total) == (3, 2, 0.0)
    assert (window.strangeness, window.strangest, window.threshold) == (6.0, 4.0, 12.5)


def test_rows_that_come_when_their_window_is_closed_are_counted_with_the_next_one() -> None:
    windows = Windows(TERMS)
    windows.observe([reading(key(), (0, 1.0), (90, 1.0))], NOW_US)

    first, _ = windows.observe([reading(key(), (59, 1.0), (10, 1.0), (60, 1.0))], NOW_US)
    second, _ = windows.observe([reading(key(), (150, 1.0))], NOW_US)
    third, _ = windows.observe([reading(key(), (210, 1.0))], NOW_US)

    assert first == []
    assert told(second) == [("m", 60, 2, 2)]
    assert told(third) == [("m", 120, 1, 0)]


def test_a_stream_that_fell_silent_is_told_when_its_tenant_speaks_long_after() -> None:
    windows = Windows(TERMS)
    silent, other = key(model="silent"), key(model="other")
    windows.observe([reading(silent, (10, 1.0))], NOW_US)
    windows.observe([reading(key(tenant="globex"), (5_000, 1.0))], NOW_US)

    before, unmoved = windows.observe([reading(other, (359, 1.0))], NOW_US)
    after, changes = windows.observe([reading(other, (360, 1.0))], NOW_US)

    assert (before, len(unmoved)) == ([], 1)
    assert told(after) == [("silent", 0, 1, 0)]
    assert sorted(changes) == [
        "windows-of/acme/other/production",
        "windows-of/acme/silent/production",
    ]


def test_a_clock_that_runs_ahead_closes_nothing_before_its_time() -> None:
    windows = Windows(TERMS)

    ahead, _ = windows.observe([reading(key(), (100, 1.0), (9_000, 1.0))], 100 * SECOND)
    then, _ = windows.observe([reading(key(), (101, 0.0), (190, 0.0))], 190 * SECOND)

    assert ahead == []
    assert told(then) == [("m", 60, 3, 0)]


def test_all_streams_of_a_model_are_one_state() -> None:
    readings = [reading(key(feature), (1, 1.0)) for feature in ("error_rate", "score:a", "score:b")]

    _, changes = Windows(TERMS).observe(readings, NOW_US)

    assert list(changes) == ["windows-of/acme/m/production"]


def test_windows_go_on_after_any_restart_as_if_there_had_been_none() -> None:
    kept, stored = Windows(TERMS), Stored()
    rng = np.random.default_rng(7)
    for n in range(200):
        seconds = 10 * n + rng.integers(0, 90, size=3)
        batch = [
            reading(
                key(("error_rate", "score:a")[n % 2], model=("m", "é/m")[n % 3 == 0]),
                *((float(at), 0.5) for at in seconds),
                statistics=(1.0, math.nan, float(n)),
                threshold=8.0,
            )
        ]
        restarted = Windows(TERMS)
        restarted.restore(stored.blobs)

        mine, changes = kept.observe(batch, NOW_US)
        theirs, same = restarted.observe(batch, NOW_US)

        assert (mine, changes) == (theirs, same)
        stored.apply(changes)


def test_windows_of_another_width_are_told_as_they_were_begun() -> None:
    narrow, stored = Windows(TERMS), Stored()
    stored.apply(narrow.observe([reading(key(), (0, 1.0), (61, 1.0))], NOW_US)[1])
    wide = Windows(replace(TERMS, window_seconds=300))
    wide.restore(stored.blobs)

    measured, _ = wide.observe([reading(key(), (70, 1.0), (330, 1.0))], NOW_US)

    windows = [each.window for each in measured]
    assert [(each.seconds, each.begins_at_us // SECOND, each.rows) for each in windows] == [
        (60, 0, 1),
        (300, 0, 1),
        (60, 60, 1),
    ]


def test_of_many_models_the_one_asked_least_recently_is_told_before_its_time_and_forgotten() -> (
    None
):
    windows = Windows(TERMS)
    for n, model in enumerate("abcd"):
        windows.observe([reading(key(model=model), (n, 1.0))], NOW_US)

    measured, changes = windows.observe([reading(key(model="e"), (5, 1.0))], NOW_US)

    assert told(measured) == [("a", 0, 1, 0)]
    assert changes["windows-of/acme/a/production"] is None
