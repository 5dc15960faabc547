"""The cluster's backbone: facts are relayed to Kafka, groups share its partitions, the registry is asked."""

import asyncio
from collections.abc import Sequence
from random import Random

import structlog
from aiokafka.errors import KafkaError

from services.backbone.backbone import Backbone
from services.backbone.config import own_config
from services.cluster import cluster_of
from services.placement import Placement
from services.settings import Installation
from shared.bodies import Bodies
from shared.clock import Clock, pause
from shared.errors import Invalid, Unavailable
from shared.failpoints import NONE, Failpoints
from shared.lifecycle import Group, Host
from shared.live import LiveView
from shared.live_feed.feed import LiveFeed
from shared.live_feed.file import LiveFile
from shared.live_feed.source import RegistryLink
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.gauges import OutboxGauges
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.relay import RELAY, Relay
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler
from shared.log.trim import Trimmer
from shared.rpc.channel import Peer
from shared.secrets_folder import SecretsFolder
from shared.topics import Topic

log = structlog.get_logger()

AWAY_SECONDS = 1.0
REGISTRY = "registry"


def build(
    placement: Placement, installation: Installation, outbox: SqliteOutbox, clock: Clock
) -> Backbone:
    """The surroundings of a process that shares nothing but Kafka, ClickHouse and the registry."""
    kafka = cluster_of(installation)
    if kafka is None or not installation.registry_address or not installation.clickhouse_url:
        raise Invalid(
            "A cluster needs LEEWAY_KAFKA, LEEWAY_REGISTRY_ADDRESS and LEEWAY_CLICKHOUSE_URL."
        )
    pepper = SecretsFolder(installation.data).pepper(installation.pepper_bytes)
    live = LiveView(pepper)
    failpoints = Failpoints(installation.fail_at)
    groups: list[Group] = []

    def group(
        name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
    ) -> Group:
        member = Member(name, topics, kafka, handler, limits, clock, failpoints)
        groups.append(member)
        return member

    def tabled(
        name: str,
        topics: Sequence[Topic],
        handler: Handler,
        limits: ConsumerLimits,
        stall_seconds: float,
    ) -> Group:
        # Faust takes its time to be imported, and only one service is hosted by it.
        from services.backbone.tables.group import Instance  # noqa: PLC0415
        from services.backbone.tables.member import TableMember  # noqa: PLC0415

        instance = Instance(placement.name, installation.data / "faust", limits.max_records)
        member = TableMember(
            name, topics, kafka, handler, limits, clock, instance, stall_seconds, failpoints
        )
        groups.append(member)
        return member

    host = Host(
        data=installation.data,
        config=own_config(installation),
        clock=clock,
        outbox=outbox,
        live=live,
        clickhouse=installation.clickhouse,
        group=group,
        tls=installation.tls,
        failpoints=failpoints,
        bodies=Bodies(installation.body_budget_bytes),
        tabled=tabled,
    )
    registry = RegistryLink(Peer(REGISTRY, installation.registry_address, installation.tls), clock)
    kept = LiveFile(installation.data / "live" / placement.name, pepper)
    view = LiveFeed(registry.connect, live, kept, clock, Random())  # noqa: S311 (spreads retries)
    relay = Relay(installation.log_folder, kafka, outbox, clock, failpoints)
    trimmer = Trimmer(placement.name, outbox, FolderLog(installation.log_folder), [RELAY], clock)
    gauges = OutboxGauges(placement.name, installation.log_folder, [RELAY], clock)
    tasks = [relay.run, trimmer.run, gauges.run, view.run]
    return Backbone(host, view, tasks, groups, relay, view_first=REGISTRY not in placement.services)


class Member:
    """A member of a group: it joins as soon as Kafka is there, and consumes until it is told to stop."""

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        cluster: Cluster,
        handler: Handler,
        limits: ConsumerLimits,
        clock: Clock,
        failpoints: Failpoints = NONE,
    ) -> None:
        self._name = name
        self._topics = topics
        self._cluster = cluster
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._failpoints = failpoints
        self._consumer: Consumer | None = None

    @property
    def idle(self) -> bool:
        """See `Group.idle`."""
        return self._consumer is not None and self._consumer.idle

    @property
    def halted(self) -> bool:
        """See `Group.halted`."""
        return self._consumer is not None and self._consumer.halted

    async def run(self, stop: asyncio.Event) -> None:
        """See `Group.run`."""
        while not (stop.is_set() or self.halted):
            try:
                await self._consume(stop)
            except (KafkaError, Unavailable) as error:
                log.warning("group.kafka_away", group=self._name, reason=repr(error))
                await pause(self._clock, AWAY_SECONDS, stop)

    async def _consume(self, stop: asyncio.Event) -> None:
        async with KafkaGroup(
            self._name, self._topics, self._cluster, self._clock, self._failpoints
        ) as group:
            self._consumer = Consumer(
                self._name,
                self._topics,
                group,
                group,
                self._handler,
                self._limits,
                self._clock,
                self._failpoints,
            )
            await self._consumer.run(stop)
