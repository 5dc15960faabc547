"""Sliding windows over event time, and what they count."""

from decimal import Decimal

import pytest

from services.alerting.domain.rule import Place, When
from services.alerting.domain.sketch import Sketch
from services.alerting.domain.tally import TALLIES, Call, Cost, Failures, Sample
from services.alerting.domain.window import Window, breach
from services.alerting.windows import OTHER, Windows
from shared.clock import micros
from tests.alerting import AT_DEMO, NOW, a_rule

NOW_US = micros(NOW)
LATENESS_US = 600_000_000


def calls(count: int, failed: int, seconds_ago: float = 0) -> list[Sample]:
    at_us = NOW_US - int(seconds_ago * 1e6)
    return [
        Call(at_us, AT_DEMO, failed=index < failed, error_type="timeout", seconds=1.0)
        for index in range(count)
    ]


def found(window: Window, now_us: int = NOW_US) -> Decimal | None:
    over = breach(window, AT_DEMO, now_us, LATENESS_US)
    return None if over is None else over.total.value()


def test_a_share_of_failed_calls_at_the_threshold_is_a_breach() -> None:
    window = Window(a_rule())

    assert found(window.adding(calls(20, failed=2))) == Decimal("0.1")
    assert found(window.adding(calls(21, failed=2))) is None


def test_too_few_calls_are_no_breach_however_many_fail() -> None:
    assert found(Window(a_rule()).adding(calls(9, failed=9))) is None


def test_what_slid_out_of_the_window_does_not_count() -> None:
    window = Window(a_rule()).adding(calls(10, failed=10, seconds_ago=301))

    assert found(window.adding(calls(10, failed=0))) is None


def test_a_fact_that_is_heard_of_late_counts_when_it_happened() -> None:
    window = (
        Window(a_rule()).adding(calls(10, failed=0)).adding(calls(10, failed=10, seconds_ago=200))
    )

    assert found(window) == Decimal("0.5")


def test_a_backlog_wakes_nobody() -> None:
    window = Window(a_rule()).adding(calls(20, failed=20, seconds_ago=700))

    assert found(window) is None


def test_a_breach_is_named_by_its_bucket_so_that_it_counts_once_in_five_seconds() -> None:
    window = Window(a_rule()).adding(calls(10, failed=10))
    next_bucket = window.adding([Call(NOW_US + 5_000_000, AT_DEMO, failed=True)])

    first = breach(window, AT_DEMO, NOW_US, LATENESS_US)
    same = breach(window.adding(calls(5, failed=5)), AT_DEMO, NOW_US, LATENESS_US)
    later = breach(next_bucket, AT_DEMO, NOW_US + 5_000_000, LATENESS_US)

    assert first is not None
    assert same is not None
    assert later is not None
    assert first.cause == same.cause
    assert later.cause != first.cause


def test_the_95th_percentile_is_within_one_percent() -> None:
    sketch = Sketch()
    for milliseconds in range(1, 10_001):
        sketch.add(milliseconds / 1000)

    assert sketch.quantile(0.95) == pytest.approx(9.5, rel=0.01)
    assert sketch.quantile(0.5) == pytest.approx(5.0, rel=0.01)
    assert Sketch().quantile(0.95) == 0.0


def test_sketches_add_up_exactly() -> None:
    left, right, whole = Sketch(), Sketch(), Sketch()
    for index in range(1, 1001):
        (left if index % 2 else right).add(index / 7)
        whole.add(index / 7)

    left.merge(right)

    assert left.bins == whole.bins


def test_latency_counts_the_calls_that_did_not_fail() -> None:
    rule = a_rule(when=When.LATENCY_P95, threshold=Decimal(5))
    slow: list[Sample] = [Call(NOW_US, AT_DEMO, failed=False, seconds=8.0) for _ in range(10)]
    failed: list[Sample] = [Call(NOW_US, AT_DEMO, failed=True, seconds=0.01) for _ in range(90)]

    over = breach(Window(rule).adding(slow + failed), AT_DEMO, NOW_US, LATENESS_US)

    assert over is not None
    assert over.total.count == 10
    assert over.total.value() == pytest.approx(Decimal(8), rel=Decimal("0.01"))


def test_money_adds_up_exactly() -> None:
    rule = a_rule(when=When.SPEND, threshold=Decimal("0.3"), minimum_count=1)
    costs: list[Sample] = [Cost(NOW_US, AT_DEMO, Decimal("0.1")) for _ in range(3)]

    assert found(Window(rule).adding(costs)) == Decimal("0.3")
    assert found(Window(rule).adding(costs[:2])) is None


def test_error_types_are_bounded_and_none_is_lost() -> None:
    tally = Failures()
    for index in range(30):
        tally.add(Call(NOW_US, AT_DEMO, failed=True, error_type=f"e{index}"))

    assert len(tally.errors) == 21
    assert tally.errors["other"] == 10
    assert tally.failed == 30


@pytest.mark.parametrize("when", TALLIES)
def test_a_tally_is_read_back_as_it_was_written(when: When) -> None:
    tally = TALLIES[when]()
    for sample in [*calls(5, failed=2), Cost(NOW_US, AT_DEMO, Decimal("0.000000000001"))]:
        tally.add(sample)

    assert TALLIES[when].load(tally.dump()).dump() == tally.dump()


def test_stored_windows_are_taken_up_as_they_were() -> None:
    before = Windows([a_rule()], max_places=10)
    stored: dict[str, bytes] = {}
    for seconds_ago in (400, 120, 0):
        staged = before.stage(calls(10, failed=1, seconds_ago=seconds_ago), NOW_US)
        before.commit(staged)
        for name, blob in staged.states.items():
            stored.pop(name, None) if blob is None else stored.update({name: blob})

    after = Windows([a_rule()], max_places=10)
    after.restore(stored)

    assert len(stored) == 2
    (window,) = after.stage(calls(10, failed=0), NOW_US).windows.values()
    assert (window.total().count, window.total().value()) == (30, Decimal(2) / Decimal(30))


def test_a_batch_that_is_not_put_in_force_is_not_counted() -> None:
    windows = Windows([a_rule()], max_places=10)

    windows.stage(calls(10, failed=10), NOW_US)
    (window,) = windows.stage(calls(10, failed=10), NOW_US).windows.values()

    assert window.total().count == 10


def test_blobs_of_a_rule_that_counts_otherwise_now_are_removed() -> None:
    before = Windows([a_rule()], max_places=10)
    stored = {name: blob or b"" for name, blob in before.stage(calls(1, 0), NOW_US).states.items()}

    after = Windows([a_rule(window_seconds=600)], max_places=10)
    after.restore(stored)

    assert after.stage([], NOW_US).states == dict.fromkeys(stored)


def test_an_idle_window_is_forgotten() -> None:
    windows = Windows([a_rule()], max_places=10)
    staged = windows.stage(calls(1, 0), NOW_US)
    windows.commit(staged)

    later = windows.stage([], NOW_US + 2 * 3_600_000_000)

    assert later.states == dict.fromkeys(staged.states)


def test_a_fact_from_the_future_is_counted_now_or_not_at_all() -> None:
    windows = Windows([a_rule()], max_places=10)

    soon = windows.stage(calls(1, 0, seconds_ago=-200), NOW_US)
    never = windows.stage(calls(1, 0, seconds_ago=-400), NOW_US)

    (window,) = soon.windows.values()
    assert window.ends_at_us <= NOW_US + window.width_us
    assert never.windows == {}


def test_a_tenant_that_invents_models_opens_a_bounded_number_of_windows() -> None:
    windows = Windows([a_rule()], max_places=3)
    samples: list[Sample] = [
        Call(NOW_US, Place("acme", model=f"m{index}"), failed=False) for index in range(10)
    ]
    samples.append(Call(NOW_US, Place("beta", model="m"), failed=False))

    counts = {
        key.place: window.total().count
        for key, window in windows.stage(samples, NOW_US).windows.items()
    }

    assert counts == {
        Place("acme", model="m0"): 1,
        Place("acme", model="m1"): 1,
        Place("acme", model="m2"): 1,
        Place("acme", model=OTHER): 7,
        Place("beta", model="m"): 1,
    }


def test_a_rule_about_one_tenant_counts_that_tenant() -> None:
    windows = Windows([a_rule(tenant="beta")], max_places=3)

    assert windows.stage(calls(10, failed=10), NOW_US).windows == {}
