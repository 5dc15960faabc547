"""Couriers: one for each channel, so that a slow receiver delays nobody else's alerts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from services.alerting.channels.channel import Channel
from services.alerting.domain.alert import Signal
from services.alerting.domain.delivery import (
    Claim,
    Delivery,
    DeliveryState,
    Patience,
    Settlement,
    settled,
)
from services.alerting.domain.rule import Place, When
from services.alerting.rounds import repeat
from services.alerting.stream import Reports
from shared.clock import Clock
from shared.config.alerts import DELIVERY_RULE
from shared.errors import Unavailable
from shared.ids import new_id
from shared.metrics import ALERT_DELIVERIES

log = structlog.get_logger()

MAX_AT_ONCE = 8


class Deliveries(Protocol):
    """The outbox of deliveries, which all members share."""

    async def claim(self, channel: str, claim: Claim, limit: int) -> Sequence[Delivery]:
        """The channel's deliveries whose time has come and that are nobody's, at most one an alert.

        They are the claim's until it lapses or they are settled. Raises `Unavailable`.
        """
        ...

    async def settle(
        self, delivery_id: str, claim: Claim, settlement: Settlement, now: datetime
    ) -> bool:
        """Write what an attempt made of a delivery, unless it is no longer the claim's; whether it
        was. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A channel by its name, how patient its courier is, how long it rests between rounds, and how long
    what it claims is its own: longer than any attempt takes."""

    name: str
    channel: Channel
    patience: Patience
    pause_seconds: float = 1.0
    claim_seconds: float = 60.0


class Courier:
    """Delivers at least once: what was sent and not yet settled when the process died is sent again,
    with the same id, by whoever claims it next. Two couriers that live never send the same at once."""

    def __init__(self, route: Route, deliveries: Deliveries, desk: Reports, clock: Clock) -> None:
        self._name = new_id()
        self._route = route
        self._deliveries = deliveries
        self._desk = desk
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Make rounds until `stop` is set."""
        await repeat(self.make_round, self._route.pause_seconds, self._clock, stop)

    async def make_round(self) -> None:
        """Try everything that is due, a few at once, until nothing is. Raises `Unavailable`."""
        claim = self._claim()
        while due := await self._deliveries.claim(self._route.name, claim, MAX_AT_ONCE):
            attempts = [self._attempt(delivery, claim) for delivery in due]
            faults = [fault for fault in await asyncio.gather(*attempts) if fault is not None]
            if faults:
                raise faults[0]
            claim = self._claim()

    def _claim(self) -> Claim:
        now = self._clock.now()
        return Claim(self._name, now, now + timedelta(seconds=self._route.claim_seconds))

    async def _attempt(self, delivery: Delivery, claim: Claim) -> Unavailable | None:
        """One attempt; a store that cannot take its outcome ends the round, not its fellows.

        Who was held up until the claim lapsed writes nothing: the delivery may be another's.
        """
        outcome = await self._route.channel.send(delivery, self._clock.now())
        now = self._clock.now()
        if now >= claim.until:
            log.warning(
                "alert.claim_lapsed", channel=delivery.channel, delivery_id=delivery.delivery_id
            )
            return None
        settlement = settled(delivery, outcome, self._route.patience, now)
        try:
            if settlement.state is DeliveryState.DEAD:
                await self._tell_of_death(delivery, settlement)
            if await self._deliveries.settle(delivery.delivery_id, claim, settlement, now):
                ALERT_DELIVERIES.labels(self._route.name, settlement.state).inc()
        except Unavailable as fault:
            return fault
        return None

    async def _tell_of_death(self, delivery: Delivery, settlement: Settlement) -> None:
        """Raise an alert on the other channels, before the death is written: if we die between, the
        attempt is made again and the alert is not, since its cause was counted."""
        told = delivery.notification
        log.error(
            "alert.undelivered",
            channel=delivery.channel,
            delivery_id=delivery.delivery_id,
            tenant=told.tenant,
            attempts=settlement.attempts,
            reason=settlement.reason,
        )
        if told.when is When.DELIVERY:
            return  # of a channel that cannot tell that another is dead, the log must do
        evidence = {
            "title": told.title,
            "attempts": settlement.attempts,
            "reason": settlement.reason,
        }
        place = Place(told.tenant, channel=delivery.channel)
        signal = Signal(DELIVERY_RULE, delivery.delivery_id, place, delivery.created_at, evidence)
        await self._desk.report([signal])
