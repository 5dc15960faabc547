"""Composition of alerting: facts -> windows -> desk -> store -> couriers -> channels."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog

from services.alerting.channels.catalog import channels_of
from services.alerting.channels.channel import Channel
from services.alerting.couriers import Courier, Route
from services.alerting.desk import Desk
from services.alerting.domain.hearing import Hearing
from services.alerting.rounds import Rounds, repeat
from services.alerting.rulebook import rules_of
from services.alerting.settings import Settings
from services.alerting.store import AlertStore
from services.alerting.stream import AlertingHandler, Lateness
from services.alerting.windows import Windows
from shared.clock import Clock
from shared.database import Database
from shared.egress import Egress
from shared.lifecycle import App, Host
from shared.log.consumer import ConsumerLimits
from shared.topics import DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED

log = structlog.get_logger()


def build(settings: Settings, host: Host) -> App:
    """Alerting: one consumer, one courier a channel, and the rounds."""
    channels = channels_of(host.config, Egress(host.config.webhook_allow))
    rules = rules_of(host.config.rules, list(channels), settings)
    database = Database(settings.url(host.data))
    store = AlertStore(database)
    desk = Desk(rules, list(channels), store, host.clock)
    windows = Windows(rules.values(), settings.max_places)
    lateness = Lateness(settings.lateness_seconds, settings.detection_lateness_seconds)
    handler = AlertingHandler(rules, windows, desk, host.clock, lateness)
    topics = [DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED]
    consumer = host.group("alerting", topics, handler, ConsumerLimits())

    def hearing() -> Hearing:
        return handler.hearing(idle=consumer.idle)

    keep = timedelta(days=settings.keep_days)
    rounds = Rounds(desk, store, host.outbox, host.clock, hearing, keep)
    couriers = [
        Courier(_route(name, channel, settings), store, desk, host.clock)
        for name, channel in channels.items()
    ]
    return App(
        "alerting",
        resources=[database, _opened(database, store, channels, host.clock)],
        tasks=[
            *(courier.run for courier in couriers),
            partial(repeat, rounds.make, settings.round_seconds, host.clock),
            consumer.run,
        ],
    )


def _route(name: str, channel: Channel, settings: Settings) -> Route:
    return Route(name, channel, settings.patience, settings.round_seconds, settings.claim_seconds)


@asynccontextmanager
async def _opened(
    database: Database, store: AlertStore, channels: Collection[str], clock: Clock
) -> AsyncIterator[None]:
    """The tables are there, and what waits for no channel is given up."""
    await database.migrate()
    abandoned = await store.abandon(list(channels), clock.now())
    if abandoned:
        log.warning("alerting.abandoned", deliveries=abandoned)
    yield
