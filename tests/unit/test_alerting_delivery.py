"""How long a delivery is tried."""

from datetime import timedelta

from services.alerting.domain.delivery import (
    Delivered,
    DeliveryState,
    Failed,
    Patience,
    Refused,
    Settlement,
    settled,
)
from tests.alerting import NOW, a_delivery

PATIENCE = Patience()


def waits(asked_seconds: float = 0.0, attempts: int = 12) -> list[float]:
    found = []
    for made in range(attempts):
        outcome = Failed("down", asked_seconds)
        settlement = settled(a_delivery(attempts=made), outcome, PATIENCE, NOW)
        found.append((settlement.next_attempt_at - NOW).total_seconds())
    return found


def test_waits_double_to_an_hour_and_half_of_each_is_jitter() -> None:
    for wait, longest in zip(waits(), [min(5 * 2**n, 3600) for n in range(12)], strict=True):
        assert longest / 2 <= wait <= longest


def test_the_same_attempt_of_the_same_delivery_waits_the_same() -> None:
    assert waits() == waits()


def test_two_deliveries_do_not_wait_in_step() -> None:
    one, other = (
        settled(a_delivery(delivery_id=name), Failed("down"), PATIENCE, NOW) for name in "ab"
    )

    assert one.next_attempt_at != other.next_attempt_at


def test_a_receiver_is_left_alone_for_as_long_as_it_asks_but_no_more_than_an_hour() -> None:
    assert waits(120.0, attempts=4) == [120.0, 120.0, 120.0, 120.0]
    assert waits(86_400.0, attempts=1) == [3600.0]


def test_what_is_taken_is_delivered() -> None:
    assert settled(a_delivery(), Delivered(), PATIENCE, NOW) == Settlement(
        DeliveryState.DELIVERED, 1, NOW
    )


def test_what_is_refused_is_dead_at_once() -> None:
    assert settled(a_delivery(), Refused("gone"), PATIENCE, NOW) == Settlement(
        DeliveryState.DEAD, 1, NOW, "gone"
    )


def test_the_last_attempt_is_followed_by_death() -> None:
    outcome = Failed("down")
    states = [settled(a_delivery(attempts=made), outcome, PATIENCE, NOW).state for made in (38, 39)]

    assert states == [DeliveryState.WAITING, DeliveryState.DEAD]


def test_nothing_is_tried_again_more_than_a_day_after_it_was_made() -> None:
    created = NOW - timedelta(hours=24)

    assert settled(a_delivery(created_at=created), Failed("down"), PATIENCE, NOW).state == "dead"


def test_a_receiver_that_is_down_for_a_day_is_tried_forty_times() -> None:
    delivery, now, made = a_delivery(), NOW, 0
    while True:
        settlement = settled(a_delivery(attempts=made), Failed("down"), PATIENCE, now)
        made = settlement.attempts
        if settlement.state is DeliveryState.DEAD:
            break
        now = settlement.next_attempt_at

    assert now - delivery.created_at <= timedelta(hours=24)
    assert made == 40
