"""How often an upstream is asked again, after how long, and what it says of that itself."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.failure import (
    UpstreamFailed,
    errored,
    malformed,
    timed_out,
    unreachable,
)
from services.serving.routing.outcome import Outcome, cost_free, may_repeat, outcome_of
from services.serving.routing.retries import (
    RetryBudget,
    RetryLimits,
    backoff_seconds,
    retry_after_seconds,
)
from tests.builders import NOW
from tests.routed import failing

LIMITS = RetryLimits(share=0.2, floor=3, window_seconds=10.0)


def test_a_fifth_of_the_calls_and_three_more_may_be_retries() -> None:
    budget = RetryBudget(LIMITS)
    for _ in range(50):
        budget.called(0.0)

    taken = [budget.take(0.0) for _ in range(20)]

    assert taken == [True] * 13 + [False] * 7


def test_what_was_spent_comes_back_as_the_window_moves_on() -> None:
    budget = RetryBudget(LIMITS)
    assert [budget.take(0.0) for _ in range(4)] == [True, True, True, False]

    assert not budget.take(8.9)
    assert budget.take(10.0)


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=200))
def test_retries_never_exceed_the_budget_in_any_window(events: list[tuple[float, bool]]) -> None:
    budget, now = RetryBudget(LIMITS), 0.0
    calls: list[float] = []
    retries: list[float] = []
    for waited, retry in events:
        now += waited
        if not retry:
            budget.called(now)
            calls.append(now)
        elif budget.take(now):
            retries.append(now)
            # What the budget surely remembers: nine tenths of its window.
            spent = sum(now - at < 9.0 for at in retries)
            assert spent <= 3 + 0.2 * sum(now - at < 10.0 for at in calls)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_a_backoff_is_below_a_bound_that_doubles_up_to_its_cap(failures: int, seed: int) -> None:
    waited = backoff_seconds(LIMITS, failures, random.Random(seed))

    assert 0 <= waited <= min(2.0, 0.1 * 2 ** (failures - 1))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Tue, 24 Nov 2026 08:01:00 GMT"}, 60.0),
        ({"retry-after": "Tue, 24 Nov 2026 07:00:00 -0000"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_or_nothing(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_seconds(headers, NOW) == seconds
    assert NOW + timedelta(seconds=seconds or 0)


@pytest.mark.parametrize(
    ("failure", "outcome", "again", "free"),
    [
        (failing(500), Outcome.FAILED, True, True),
        (failing(529), Outcome.FAILED, True, True),
        (failing(500, x_should_retry="false"), Outcome.FAILED, False, True),
        (failing(429), Outcome.LIMITED, False, True),
        (failing(429, retry_after="1"), Outcome.LIMITED, True, True),
        (failing(429, b'{"error": {"code": "insufficient_quota"}}'), Outcome.DENIED, False, True),
        (failing(401), Outcome.DENIED, False, True),
        (failing(404), Outcome.REFUSED, False, True),
        (errored("it", "says", b'{"error": {"message": "no"}}'), Outcome.FAILED, True, False),
        (timed_out("it"), Outcome.TIMED_OUT, False, False),
        (malformed("it", "babbles"), Outcome.MALFORMED, False, False),
        (unreachable("it", "is gone"), Outcome.UNREACHABLE, True, False),
    ],
)
def test_what_failed_says_what_may_be_tried_and_what_it_cost(
    failure: UpstreamFailed, outcome: Outcome, again: bool, free: bool
) -> None:
    assert (outcome_of(failure), may_repeat(failure), cost_free(failure)) == (outcome, again, free)
