"""A circuit breaker: when it opens, what it lets through, and when it closes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.routing.breaker import Breaker, BreakerLimits, State
from services.serving.routing.share import Share

LIMITS = BreakerLimits(
    window_seconds=10.0,
    failure_rate=0.5,
    min_calls=4,
    consecutive=3,
    open_seconds=5.0,
    max_open_seconds=20.0,
)


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.fail(breaker.enter(now), now)


def succeed(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeed(breaker.enter(now), now)


def end(breaker: Breaker, how: str, began: int, now: float) -> None:
    if how == "ok":
        breaker.succeed(began, now)
    elif how == "fail":
        breaker.fail(began, now)
    else:
        breaker.forget(began)


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(LIMITS)


def test_it_opens_after_failures_in_a_row_and_not_before(breaker: Breaker) -> None:
    fail(breaker, 0.0, times=2)
    succeed(breaker, 0.0, times=6)
    fail(breaker, 0.0, times=2)
    assert breaker.admits(0.0)

    fail(breaker, 0.0)

    assert (breaker.state(0.0), breaker.admits(0.0)) == (State.OPEN, False)
    assert breaker.opens_in(1.0) == 4.0


def test_it_opens_by_rate_only_when_enough_was_asked(breaker: Breaker) -> None:
    succeed(breaker, 0.0)
    fail(breaker, 0.0, times=2)
    assert breaker.state(0.0) is State.CLOSED  # two of three, and three are too few

    succeed(breaker, 0.0)
    fail(breaker, 0.0)

    assert breaker.state(0.0) is State.OPEN


def test_failures_that_are_long_past_do_not_count(breaker: Breaker) -> None:
    succeed(breaker, 0.0)
    fail(breaker, 0.0, times=2)
    succeed(breaker, 12.0, times=3)

    fail(breaker, 12.0)

    assert breaker.state(12.0) is State.CLOSED


def test_half_open_lets_exactly_one_through_until_that_one_has_ended(breaker: Breaker) -> None:
    fail(breaker, 0.0, times=3)
    assert not breaker.admits(4.9)

    trial = breaker.enter(5.0)
    assert not breaker.admits(5.0)
    breaker.succeed(trial, 6.0)

    assert breaker.state(6.0) is State.CLOSED
    assert breaker.admits(6.0)


def test_a_trial_that_begins_to_answer_closes_it_however_long_it_goes_on(breaker: Breaker) -> None:
    fail(breaker, 0.0, times=3)
    trial = breaker.enter(5.0)

    breaker.answers(trial)
    assert breaker.state(5.0) is State.CLOSED

    breaker.fail(trial, 9.0)
    assert breaker.state(9.0) is State.CLOSED


def test_a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_bound(breaker: Breaker) -> None:
    fail(breaker, 0.0, times=3)
    now, opened = 5.0, []
    for _ in range(4):
        fail(breaker, now)
        opened.append(breaker.opens_in(now))
        now += opened[-1]

    assert opened == [10.0, 20.0, 20.0, 20.0]


def test_a_trial_whose_client_left_leaves_room_for_another(breaker: Breaker) -> None:
    fail(breaker, 0.0, times=3)

    breaker.forget(breaker.enter(5.0))

    assert breaker.state(5.0) is State.HALF_OPEN
    assert breaker.admits(5.0)


def test_what_comes_of_calls_from_before_it_opened_neither_closes_nor_opens_it(
    breaker: Breaker,
) -> None:
    early = [breaker.enter(0.0) for _ in range(6)]
    for began in early[:3]:
        breaker.fail(began, 1.0)

    breaker.succeed(early[3], 6.0)
    assert breaker.state(6.0) is State.HALF_OPEN
    breaker.enter(6.0)
    breaker.fail(early[4], 6.0)
    breaker.forget(early[5])

    assert breaker.state(6.0) is State.HALF_OPEN
    assert not breaker.admits(6.0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "ok", "fail", "left", "wait"]), st.floats(0, 9))))
def test_no_more_than_one_call_is_ever_under_way_in_a_half_open_breaker(
    steps: list[tuple[str, float]],
) -> None:
    breaker, now = Breaker(LIMITS), 0.0
    under_way: list[tuple[int, State]] = []
    for what, number in steps:
        if what == "wait":
            now += number
        elif what == "ask" and breaker.admits(now):
            state = breaker.state(now)
            under_way.append((breaker.enter(now), state))
        elif what != "ask" and under_way:
            began, _ = under_way.pop(int(number) % len(under_way))
            end(breaker, what, began, now)
        trials = [began for began, state in under_way if state is State.HALF_OPEN]
        assert len(trials) == len(set(trials))


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_a_share_counts_what_happened_within_its_window_and_no_more(
    events: list[tuple[float, bool]],
) -> None:
    share, now = Share(10.0), 0.0
    happened: list[tuple[float, bool]] = []
    for waited, part in events:
        now += waited
        share.add(now, whole=1, part=int(part))
        happened.append((now, part))

        sure = [part for at, part in happened if now - at < 9.0]  # it moves on by a tenth
        possible = [part for at, part in happened if now - at < 10.0]
        assert len(sure) <= share.whole_at(now) <= len(possible)
        assert sum(sure) <= share.part_at(now) <= sum(possible)
