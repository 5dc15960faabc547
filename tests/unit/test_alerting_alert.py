"""The life of an alert, on a simulated clock."""

import pytest

from services.alerting.desk import Desk
from services.alerting.domain.rule import Place
from shared.clock import SimulatedClock
from shared.errors import Unavailable
from tests.alerting import (
    AT_DEMO,
    NOW,
    FakeAlerts,
    a_detection,
    a_detection_rule,
    a_hearing,
    a_rule,
    a_signal,
)


class Room:
    """A desk with a rule about errors and one about detections."""

    def __init__(self, alerts: FakeAlerts | None = None) -> None:
        self.clock = SimulatedClock(NOW)
        self.alerts = alerts or FakeAlerts()
        self.rules = {rule.name: rule for rule in (a_rule(), a_detection_rule())}
        self.desk = Desk(self.rules, ["pager", "chat", "log"], self.alerts, self.clock)

    async def after(self, seconds: float) -> list[str]:
        """What is told when time has passed."""
        before = len(self.alerts.told)
        self.clock.advance(seconds)
        await self.desk.tick(a_hearing(self.clock.now()))
        return self.alerts.told[before:]


async def test_a_window_over_its_threshold_is_told_at_once_to_each_channel_of_its_rule() -> None:
    room = Room()

    await room.desk.report([a_signal()])

    assert room.alerts.told == ["fired 25.0% of calls fail: model demo, tenant acme"]
    assert room.alerts.deliveries == [("pager", "fired"), ("chat", "fired")]


async def test_an_alert_is_told_once_however_often_it_is_seen() -> None:
    room = Room()

    for cause in ("c1", "c2", "c3"):
        await room.desk.report([a_signal(cause=cause)])

    assert len(room.alerts.told) == 1
    assert room.alerts.turns[-1].alerts[0].occurrences == 3


async def test_a_cause_that_comes_again_changes_nothing() -> None:
    room = Room()

    await room.desk.report([a_signal()])
    await room.desk.report([a_signal(), a_signal()])

    assert len(room.alerts.turns) == 1


async def test_an_alert_is_repeated_after_its_rules_patience_while_it_is_seen() -> None:
    room = Room()
    await room.desk.report([a_signal()])

    told = []
    for minute in range(1, 62):
        told += await room.after(60)
        await room.desk.report([a_signal(cause=f"minute {minute}")])

    assert told == ["repeated Still: 25.0% of calls fail: model demo, tenant acme"]


async def test_an_alert_resolves_when_it_was_below_its_threshold_for_a_window() -> None:
    room = Room()
    await room.desk.report([a_signal()])

    assert await room.after(299) == []
    assert await room.after(1) == [
        "resolved Resolved: 25.0% of calls fail: model demo, tenant acme"
    ]
    assert await room.after(10_000) == []


async def test_what_comes_back_after_its_end_is_a_new_alert_with_the_same_key() -> None:
    room = Room()
    await room.desk.report([a_signal()])
    await room.after(300)

    await room.desk.report([a_signal(cause="c2")])

    first, *_, last = [alert for turn in room.alerts.turns for alert in turn.alerts]
    assert first.dedupe_key == last.dedupe_key
    assert first.alert_id != last.alert_id
    assert last.occurrences == 1


async def test_detections_that_come_together_share_one_notification() -> None:
    room = Room()
    await room.desk.report([a_detection(cause="d1")])
    assert await room.after(20) == []
    await room.desk.report([a_detection(cause="d2"), a_detection(cause="d3")])

    assert await room.after(10) == ["fired 3 drift detections: model demo, tenant acme"]


async def test_detections_of_different_models_are_different_alerts() -> None:
    room = Room()
    other = Place(tenant="acme", model="other")

    await room.desk.report([a_detection(), a_detection(cause="d2", place=other)])

    assert await room.after(30) == [
        "fired Drift in refusal_rate: model demo, tenant acme",
        "fired Drift in refusal_rate: model other, tenant acme",
    ]


async def test_a_detection_resolves_after_an_hour_without_another() -> None:
    room = Room()
    await room.desk.report([a_detection()])
    await room.after(30)
    await room.after(1800)
    await room.desk.report([a_detection(cause="d2")])

    assert await room.after(3599) == ["repeated Still: 2 drift detections: model demo, tenant acme"]
    assert await room.after(1) == ["resolved Resolved: 2 drift detections: model demo, tenant acme"]


async def test_open_alerts_are_taken_up_after_a_restart() -> None:
    before = Room()
    await before.desk.report([a_signal(), a_detection()])

    after = Room(before.alerts)

    assert await after.after(30) == ["fired Drift in refusal_rate: model demo, tenant acme"]
    assert await after.after(270) == [
        "resolved Resolved: 25.0% of calls fail: model demo, tenant acme"
    ]


async def test_an_alert_whose_rule_is_gone_resolves() -> None:
    room = Room()
    await room.desk.report([a_signal()])

    del room.rules["errors"]

    assert await room.after(1) == [
        "resolved Resolved: 25.0% of calls fail: model demo, tenant acme"
    ]


async def test_a_channel_that_is_not_there_gets_no_delivery() -> None:
    room = Room()
    room.rules["errors"] = a_rule(channels=("gone", "log"))

    await room.desk.report([a_signal()])

    assert room.alerts.deliveries == [("log", "fired")]


async def test_nothing_is_remembered_of_a_turn_that_could_not_be_written() -> None:
    class Full(FakeAlerts):
        full = True

        async def record(self, turn: object) -> None:
            if self.full:
                raise Unavailable("the disk is full")
            await super().record(turn)  # type: ignore[arg-type]

    alerts = Full()
    room = Room(alerts)
    with pytest.raises(Unavailable):
        await room.desk.report([a_signal()])

    alerts.full = False
    await room.desk.report([a_signal()])

    assert alerts.told == ["fired 25.0% of calls fail: model demo, tenant acme"]


def test_a_key_depends_on_the_rule_and_the_place_and_nothing_else() -> None:
    key = a_rule().dedupe_key(AT_DEMO)

    assert key == "leeway-55d3b4357cc9e8a9ac4e88533f2cb9c7"
    assert key != a_rule(name="other").dedupe_key(AT_DEMO)
    assert key != a_rule().dedupe_key(Place(tenant="acme", project="demo"))


async def test_quiet_is_what_was_listened_to_and_not_what_was_missed() -> None:
    room = Room()
    await room.desk.report([a_signal()])
    room.clock.advance(900)

    await room.desk.tick(a_hearing(NOW))
    missed = list(room.alerts.told[1:])
    await room.desk.tick(a_hearing(room.clock.now()))

    assert missed == []
    assert room.alerts.told[1:] == [
        "resolved Resolved: 25.0% of calls fail: model demo, tenant acme"
    ]


async def test_the_quiet_of_a_tenant_is_for_the_member_to_call_that_hears_it() -> None:
    room = Room()
    await room.desk.report([a_signal()])
    room.clock.advance(300)

    await room.desk.tick(a_hearing(room.clock.now(), "globex"))
    told_by_another = list(room.alerts.told[1:])
    await room.desk.tick(a_hearing(room.clock.now(), "acme", "globex"))

    assert told_by_another == []
    assert len(room.alerts.told) == 2


async def test_a_tenant_that_nobody_hears_any_more_is_called_quiet_an_hour_later() -> None:
    room = Room()
    await room.desk.report([a_signal()])

    room.clock.advance(300 + 3599)
    await room.desk.tick(a_hearing(room.clock.now(), "globex"))
    before = room.alerts.told[-1]
    room.clock.advance(1)
    await room.desk.tick(a_hearing(room.clock.now(), "globex"))

    assert before == "repeated Still: 25.0% of calls fail: model demo, tenant acme"
    assert room.alerts.told[-1] == "resolved Resolved: 25.0% of calls fail: model demo, tenant acme"
