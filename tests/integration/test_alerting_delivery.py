"""Alerts and their deliveries in real databases, across restarts."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, inspect

from leeway_pb.v1.alert_pb2 import AlertChanged

from services.alerting.couriers import Courier, Route
from services.alerting.domain.delivery import Delivered, Failed, Outcome, Patience, Refused
from services.alerting.store import AlertStore
from services.alerting.tables import METADATA
from shared.database import Database
from shared.errors import Unavailable
from tests.alerting import CHANNELS, KEEP, FakeChannel, Lives, a_detection, a_signal
from tests.fakes import FakeOutbox


@pytest.fixture
def place(control_url: str) -> Lives:
    return Lives(control_url)


async def test_the_tables_are_as_the_migration_makes_them(place: Lives) -> None:
    def columns(connection: Connection) -> dict[str, list[tuple[str, bool]]]:
        found = inspect(connection)
        return {
            name: [(column["name"], column["nullable"]) for column in found.get_columns(name)]
            for name in METADATA.tables
        }

    async with Database(place.url) as database:
        await database.migrate()
        async with database.reading() as connection:
            made = await connection.run_sync(columns)

    assert made == {
        name: [(column.name, column.nullable) for column in table.columns]
        for name, table in METADATA.tables.items()
    }


async def test_what_waits_at_a_restart_is_delivered_by_the_next_life_with_the_same_id(
    place: Lives,
) -> None:
    down, up = FakeChannel(Failed("no route to host")), FakeChannel()
    async with place.life() as life:
        await life.desk.report([a_signal()])
        await life.courier("pager", down).make_round()

    place.clock.advance(5)
    async with place.life() as life:
        await life.courier("pager", up).make_round()
        await life.courier("pager", up).make_round()

    (first,), (second,) = down.sent, up.sent
    assert first.delivery_id == second.delivery_id
    assert (second.attempts, second.notification) == (1, first.notification)


async def test_a_kill_between_sending_and_settling_sends_again_with_the_same_id(
    place: Lives,
) -> None:
    class Killed(AlertStore):
        async def settle(self, *_: object) -> bool:
            raise Unavailable("the process died here")

    channel = FakeChannel()
    async with place.life() as life:
        await life.desk.report([a_signal()])
        async with Database(place.url) as database:
            route = Route("pager", channel, Patience())
            with pytest.raises(Unavailable):
                await Courier(route, Killed(database), life.desk, place.clock).make_round()

    place.clock.advance(60)
    async with place.life() as life:
        await life.courier("pager", channel).make_round()
        assert (await life.deliveries())["errors"] == {"delivered": 1, "waiting": 1}

    first, second = channel.sent
    assert first == second


async def test_a_channel_that_is_down_holds_up_no_other(place: Lives) -> None:
    pager, chat = FakeChannel(Failed("down")), FakeChannel()
    async with place.life() as life:
        await life.desk.report([a_signal()])
        await life.courier("pager", pager).make_round()
        await life.courier("chat", chat).make_round()

        assert (await life.deliveries())["errors"] == {"delivered": 1, "waiting": 1}


async def test_the_end_of_an_alert_never_overtakes_its_beginning(place: Lives) -> None:
    pager = FakeChannel(Failed("down"))
    async with place.life() as life:
        await life.desk.report([a_signal()])
        await life.courier("pager", pager).make_round()
        place.clock.advance(2)
        await life.desk.report([a_signal(cause="c2")])
        place.clock.advance(300)
        await life.tick()
        await life.courier("pager", pager).make_round()

    assert [sent.notification.change for sent in pager.sent] == ["fired", "fired", "resolved"]


async def test_a_dead_delivery_is_told_once_to_the_other_channels(place: Lives) -> None:
    pager, chat = FakeChannel(Refused("The receiver answered 401: bad key")), FakeChannel()
    async with place.life() as life:
        await life.desk.report([a_signal()])
        await life.courier("pager", pager).make_round()
        await life.courier("chat", chat).make_round()

        assert await life.deliveries() == {
            "errors": {"dead": 1, "delivered": 1},
            "delivery": {"delivered": 1},
        }
    (sent,) = [one.notification for one in chat.sent if one.notification.rule == "delivery"]
    assert sent.title == "Alerts do not arrive: channel pager, tenant acme"
    assert sent.body.splitlines()[1] == (
        "The channel was given up on after 1 attempt with “25.0% of calls fail: model demo, tenant"
        " acme”: The receiver answered 401: bad key. Until it is repaired, nobody hears of alerts there."
    )


async def test_a_death_that_is_told_of_by_a_channel_that_dies_too_ends_there(place: Lives) -> None:
    async with place.life() as life:
        await life.desk.report([a_signal()])
        for name in (*CHANNELS, *CHANNELS):
            await life.courier(name, FakeChannel(*[Refused("no")] * 4)).make_round()

        assert [listed.alert.rule for listed in await life.store.newest(100)].count("delivery") == 2
        assert (await life.deliveries())["errors"] == {"dead": 2}


async def test_a_receiver_that_is_down_for_a_day_is_given_up_on_and_somebody_is_told(
    place: Lives,
) -> None:
    class Down(FakeChannel):
        async def send(self, delivery: object, now: datetime) -> Outcome:
            attempts.append(now)
            return Failed("connection refused")

    attempts: list[datetime] = []
    async with place.life() as life:
        await life.desk.report([a_detection()])
        place.clock.advance(30)
        await life.tick()
        courier = life.courier("pager", Down())
        while (await life.deliveries())["drift"].get("dead") is None:
            await courier.make_round()
            place.clock.advance(300)

        assert (await life.deliveries())["delivery"] == {"waiting": 1}
    assert len(attempts) == 40
    assert attempts[-1] - attempts[0] < timedelta(hours=24)


async def test_a_change_becomes_a_fact_and_is_the_same_fact_when_the_outbox_was_full(
    place: Lives,
) -> None:
    full, free = FakeOutbox(full=True), FakeOutbox()
    async with place.life() as life:
        await life.desk.report([a_signal()])
        with pytest.raises(Unavailable):
            await life.rounds(full).make()
    place.clock.advance(10)
    async with place.life() as life:
        await life.rounds(free).make()
        await life.rounds(free).make()

    (fact,) = free.facts
    message = AlertChanged.FromString(fact.value)
    assert (fact.topic.name, fact.key) == ("alert.changed.v1", "acme")
    assert (message.state, message.severity, message.occurrences) == ("firing", "critical", 1)
    assert message.title == "25.0% of calls fail: model demo, tenant acme"


async def test_a_channel_that_is_no_longer_configured_has_nothing_waiting(place: Lives) -> None:
    async with place.life() as life:
        await life.desk.report([a_signal()])

        assert await life.store.abandon(["chat"], place.clock.now()) == 1
        assert (await life.deliveries())["errors"] == {"dead": 1, "waiting": 1}


async def test_what_ended_long_ago_is_forgotten_and_what_is_open_is_kept(place: Lives) -> None:
    async with place.life() as life:
        outbox = FakeOutbox()
        await life.desk.report([a_signal()])
        place.clock.advance(300)
        await life.tick()
        for name in CHANNELS:
            await life.courier(name, FakeChannel(Delivered())).make_round()
            await life.courier(name, FakeChannel(Delivered())).make_round()
        place.clock.advance(31 * 86_400)
        await life.desk.report([a_detection()])
        await life.rounds(outbox).make()
        place.clock.advance(31 * 86_400)
        await life.store.prune(place.clock.now() - KEEP)

        assert [listed.alert.rule for listed in await life.store.newest(10)] == ["drift"]
