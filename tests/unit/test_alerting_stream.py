"""From records to signals."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.usage_pb2 import UsageRated

from services.alerting.desk import Desk
from services.alerting.domain.alert import Signal
from services.alerting.domain.rule import Place, Rule, When
from services.alerting.stream import AlertingHandler, Lateness
from services.alerting.windows import Windows
from shared.clock import SimulatedClock, micros
from shared.errors import Unavailable
from shared.ids import derived_id
from shared.log.record import Fact, Record
from shared.topics import DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED, Topic
from tests.alerting import NOW, FakeAlerts, FakeDesk, a_detection_rule, a_rule
from tests.builders import a_record

NOW_US = micros(NOW)


def record(topic: Topic, number: int, value: bytes) -> Record:
    fact = Fact(topic, "acme", derived_id(topic.name, str(number)), value)
    return a_record(fact, seq=number)


def an_interaction(number: int, **changes: object) -> Record:
    message = InteractionCompleted(
        tenant="acme",
        environment="production",
        request_model="demo",
        status="ok",
        started_at_us=NOW_US - 2_000_000,
        ended_at_us=NOW_US,
    )
    message.MergeFrom(InteractionCompleted(**changes))  # type: ignore[arg-type]
    return record(INTERACTION_COMPLETED, number, message.SerializeToString())


def a_drift(number: int, **changes: object) -> Record:
    message = DriftDetected(
        tenant="acme",
        request_model="demo",
        feature="refusal_rate",
        detector="cusum",
        statistic=12.5,
        threshold=9.0,
        detected_at_us=NOW_US,
        change_at_us=NOW_US - 60_000_000,
        summary="Refusals rose.",
        evidence='{"examples": ["what somebody wrote"]}',
    )
    message.MergeFrom(DriftDetected(**changes))  # type: ignore[arg-type]
    return record(DRIFT_DETECTED, number, message.SerializeToString())


def a_usage(number: int, **changes: object) -> Record:
    message = UsageRated(tenant="acme", request_model="demo", started_at_us=NOW_US)
    message.MergeFrom(UsageRated(**changes))  # type: ignore[arg-type]
    return record(USAGE_RATED, number, message.SerializeToString())


class Room:
    """A handler with one rule of each kind, and a desk that keeps what it is told."""

    def __init__(self, desk: FakeDesk | Desk | None = None, *rules: Rule) -> None:
        given = rules or (
            a_rule(),
            a_rule(name="slow", when=When.LATENCY_P95, threshold=Decimal(5)),
            a_rule(name="spend", when=When.SPEND, threshold=Decimal("0.3"), minimum_count=1),
            a_detection_rule(),
        )
        self.rules = {rule.name: rule for rule in given}
        self.kept = FakeDesk()
        self.clock = SimulatedClock(NOW)
        self.handler = AlertingHandler(
            self.rules,
            Windows(self.rules.values(), max_places=10),
            desk or self.kept,
            self.clock,
            Lateness(window_seconds=600, detection_seconds=86_400),
        )


async def test_a_detection_is_a_signal_that_quotes_nothing_but_its_summary() -> None:
    room = Room()

    await room.handler.handle([a_drift(1)])

    (signal,) = room.kept.signals
    assert (signal.rule, signal.cause) == ("drift", derived_id("drift.detected.v1", "1"))
    assert signal.place == Place(tenant="acme", model="demo")
    assert micros(signal.since) == NOW_US - 60_000_000
    assert signal.evidence["summary"] == "Refusals rose."
    assert "what somebody wrote" not in str(signal.evidence)


async def test_a_detection_older_than_a_day_is_history() -> None:
    room = Room()

    await room.handler.handle([a_drift(1, detected_at_us=NOW_US - 86_401_000_000)])

    assert room.kept.signals == []


async def test_failed_and_interrupted_calls_fail_and_cancelled_ones_do_not_count() -> None:
    room = Room()
    statuses = ["error", "interrupted", *["ok"] * 8, *["cancelled"] * 50]

    await room.handler.handle(
        [an_interaction(number, status=status) for number, status in enumerate(statuses, 1)]
    )

    (signal,) = room.kept.signals
    assert signal.evidence == {
        "value": "0.2",
        "threshold": "0.1",
        "window_seconds": 300,
        "until": "2026-01-01 12:00:00 UTC",
        "count": 10,
        "failed": 2,
        "errors": {"error": 1, "interrupted": 1},
    }


async def test_slow_calls_are_a_signal() -> None:
    room = Room()

    await room.handler.handle(
        [an_interaction(number, started_at_us=NOW_US - 9_000_000) for number in range(1, 11)]
    )

    (signal,) = room.kept.signals
    assert signal.rule == "slow"
    assert float(str(signal.evidence["value"])) == pytest.approx(9.0, rel=0.01)


async def test_spending_is_summed_from_rated_usage_and_unpriced_usage_is_passed_by() -> None:
    room = Room()

    await room.handler.handle([a_usage(1, cost_usd="0.1"), a_usage(2), a_usage(3, cost_usd="0.2")])

    (signal,) = room.kept.signals
    assert (signal.rule, signal.evidence["value"], signal.evidence["count"]) == ("spend", "0.3", 2)


@pytest.mark.parametrize(
    "bad",
    [
        record(DRIFT_DETECTED, 1, b"\xff\xff"),
        record(INTERACTION_COMPLETED, 1, b"\x08"),
        a_usage(1, cost_usd="much"),
        a_usage(1, cost_usd="NaN"),
        a_drift(1, detected_at_us=2**62),
    ],
)
async def test_a_record_that_cannot_be_read_is_a_dead_letter_and_its_fellows_are_handled(
    bad: Record,
) -> None:
    room = Room()

    effect = await room.handler.handle([bad, a_drift(2)])

    assert [letter.record for letter in effect.dead_letters] == [bad]
    assert len(room.kept.signals) == 1


async def test_a_batch_that_comes_again_after_a_crash_leads_to_one_alert() -> None:
    alerts = FakeAlerts()
    clock = SimulatedClock(NOW)
    batch = [an_interaction(number, status="error") for number in range(1, 11)]
    rules = {"errors": a_rule(), "drift": a_detection_rule()}
    batch.append(a_drift(1))

    for _ in range(2):  # the second process never heard that the first one finished
        desk = Desk(rules, ["pager"], alerts, clock)
        room = Room(desk, *rules.values())
        room.handler.restore({})
        await room.handler.handle(batch)

    assert alerts.told == ["fired 100.0% of calls fail: model demo, tenant acme"]
    assert [len(turn.counted) for turn in alerts.turns] == [2]


async def test_a_batch_whose_report_failed_is_counted_once_when_it_comes_again() -> None:
    class Locked(FakeDesk):
        locked = True

        async def report(self, signals: Sequence[Signal]) -> None:
            if self.locked:
                raise Unavailable("the database is locked")
            await super().report(signals)

    desk = Locked()
    room = Room(desk, a_rule())
    batch = [an_interaction(number) for number in range(1, 6)]
    with pytest.raises(Unavailable):
        await room.handler.handle(batch)
    desk.locked = False

    effect = await room.handler.handle(batch)

    assert list(effect.states.values()) == [b'{"count":5,"failed":0,"errors":{}}']


async def test_who_has_reported_of_a_tenant_hears_it_and_so_does_who_takes_over_what_is_stored() -> (
    None
):
    first, next_one = Room(), Room()
    quiet = await first.handler.handle([an_interaction(1)])
    told = await first.handler.handle([a_drift(2)])
    again = await first.handler.handle([a_drift(3)])
    heard = first.handler.hearing(idle=True).tenants

    next_one.handler.restore({**quiet.states, **told.states, **again.states})  # type: ignore[dict-item]

    assert heard == next_one.handler.hearing(idle=True).tenants == {"acme"}
    assert [len(effect.states) for effect in (quiet, told, again)] == [2, 1, 0]


async def test_what_was_taken_over_just_now_was_not_heard_yet() -> None:
    room = Room()
    room.handler.restore({})
    await room.handler.handle([an_interaction(1)])
    last = max(record.accepted_at_us for record in [an_interaction(1)])

    at_once = room.handler.hearing(idle=True).until
    room.clock.advance(30)

    assert micros(at_once) == last
    assert room.handler.hearing(idle=True).until == room.clock.now()
    assert micros(room.handler.hearing(idle=False).until) == last
