"""Several members of alerting on one control database: nothing is lost, and nothing is done twice while both live."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from services.alerting.domain.alert import Signal
from services.alerting.domain.delivery import (
    Claim,
    Delivered,
    Delivery,
    DeliveryState,
    Failed,
    Outcome,
    Refused,
    Settlement,
)
from services.alerting.domain.turn import Turn
from services.alerting.rows import row_of_cause
from services.alerting.store import AlertStore
from services.alerting.tables import CAUSES
from shared.errors import Unavailable
from tests.alerting import NOW, FakeChannel, Lives, a_signal
from tests.fakes import FakeOutbox
from tests.integration.conftest import NewDatabase


class SlowChannel(FakeChannel):
    """A channel that answers when it is told to."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__(*outcomes)
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        self.asked.set()
        await self.answers.wait()
        return await super().send(delivery, now)


@pytest.fixture
def lives(control_url: str) -> Lives:
    return Lives(control_url)


def _causes(*names: str) -> list[Signal]:
    return [a_signal(cause=name) for name in names]


async def test_two_desks_count_what_the_other_has_counted(lives: Lives) -> None:
    async with lives.life() as one, lives.life() as other:
        for desk, cause in zip([one, other, one, other], ["c1", "c2", "c3", "c4"], strict=True):
            await desk.desk.report(_causes(cause))

        (listed,) = await one.store.newest(10)
    assert listed.alert.occurrences == 4
    assert listed.alert.notifications == 1


async def test_two_desks_at_the_same_moment_count_a_cause_once(lives: Lives) -> None:
    async with lives.life() as one, lives.life() as other:
        for _ in range(5):
            await asyncio.gather(
                one.desk.report(_causes("both", "one")), other.desk.report(_causes("both", "other"))
            )

        (listed,) = await other.store.newest(10)
        assert listed.alert.occurrences == 3
        assert await other.deliveries() == {"errors": {"waiting": 2}}


async def test_what_was_counted_out_of_turn_is_somebody_elses_and_counted_once(
    postgresql: NewDatabase,
) -> None:
    lives = Lives(await asyncio.to_thread(postgresql))
    signals = _causes("c1")
    async with lives.life() as life:
        with pytest.raises(Unavailable, match="Another desk"):
            await _decide_too_late(life.store, signals, lives.url)
        await life.desk.report(signals)

        assert await life.store.newest(10) == []


async def _decide_too_late(store: AlertStore, signals: list[Signal], url: str) -> None:
    """Decide on signals that somebody counts who takes no turn, after we looked."""
    out_of_turn = create_async_engine(url)
    async with store.deciding() as ledger:
        assert await ledger.uncounted(signals) == signals
        async with out_of_turn.begin() as connection:
            await connection.execute(insert(CAUSES).values(row_of_cause(signals[0], NOW)))
        await out_of_turn.dispose()
        await ledger.record(Turn(NOW, counted=signals))


async def test_the_end_of_an_alert_that_another_desk_opened_is_told_once(lives: Lives) -> None:
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        lives.clock.advance(300)
        await asyncio.gather(one.tick(), other.tick())

        (listed,) = await one.store.newest(10)
    assert (listed.alert.state, listed.alert.notifications) == ("resolved", 2)


async def test_two_couriers_send_what_is_due_once(lives: Lives) -> None:
    pager = FakeChannel()
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        await asyncio.gather(
            one.courier("pager", pager).make_round(), other.courier("pager", pager).make_round()
        )

        assert await one.deliveries() == {"errors": {"delivered": 1, "waiting": 1}}
    assert len(pager.sent) == 1


async def test_what_a_courier_holds_is_left_alone_until_its_claim_lapses(lives: Lives) -> None:
    stuck, free = SlowChannel(Delivered()), FakeChannel()
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        holding = asyncio.create_task(one.courier("pager", stuck).make_round())
        await stuck.asked.wait()
        lives.clock.advance(59)
        await other.courier("pager", free).make_round()
        while_held = list(free.sent)
        lives.clock.advance(1)
        await other.courier("pager", free).make_round()
        stuck.answers.set()
        await holding

    (first,), (second,) = stuck.sent, free.sent
    assert while_held == []
    assert first.delivery_id == second.delivery_id


async def test_a_frozen_courier_that_wakes_undoes_nothing(lives: Lives) -> None:
    frozen, awake = SlowChannel(Failed("it took too long")), FakeChannel()
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        holding = asyncio.create_task(one.courier("pager", frozen).make_round())
        await frozen.asked.wait()
        lives.clock.advance(60)
        await other.courier("pager", awake).make_round()
        frozen.answers.set()
        await holding

        assert await one.deliveries() == {"errors": {"delivered": 1, "waiting": 1}}


async def test_what_another_claimed_is_not_settled_by_who_held_it_before(lives: Lives) -> None:
    before = Claim("before", NOW, NOW + timedelta(seconds=60))
    after = Claim("after", before.until, before.until + timedelta(seconds=60))
    delivered = Settlement(DeliveryState.DELIVERED, 1, NOW)
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        (held,) = await one.store.claim("pager", before, 8)
        (taken,) = await other.store.claim("pager", after, 8)

        assert held == taken
        assert not await one.store.settle(held.delivery_id, before, delivered, after.at)
        assert await other.store.settle(taken.delivery_id, after, delivered, after.at)
        assert not await other.store.settle(taken.delivery_id, after, delivered, after.at)


async def test_a_frozen_courier_that_wakes_declares_nothing_dead(lives: Lives) -> None:
    frozen, awake = SlowChannel(Refused("it does not know us")), FakeChannel()
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        holding = asyncio.create_task(one.courier("pager", frozen).make_round())
        await frozen.asked.wait()
        lives.clock.advance(60)
        await other.courier("pager", awake).make_round()
        frozen.answers.set()
        await holding

        assert await one.deliveries() == {"errors": {"delivered": 1, "waiting": 1}}


async def test_two_members_tell_a_change_as_one_fact(lives: Lives) -> None:
    mine, theirs = FakeOutbox(), FakeOutbox()
    async with lives.life() as one, lives.life() as other:
        await one.desk.report([a_signal()])
        await asyncio.gather(one.rounds(mine).make(), other.rounds(theirs).make())

    assert len([*mine.facts, *theirs.facts]) == 1
