"""The embedded backbone: every process of the machine reads one folder of outboxes."""

from collections.abc import Sequence

from leeway_pb.v1.registry_pb2 import RegistryChanged

from services.backbone.backbone import Backbone
from services.backbone.config import own_config
from services.placement import GROUPS, Placement
from services.settings import Installation
from shared.bodies import Bodies
from shared.clock import Clock
from shared.failpoints import Failpoints
from shared.lifecycle import ClickHouseAddress, Group, Host
from shared.live import LiveView
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.follow import Follower
from shared.log.gauges import OutboxGauges
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler, Record
from shared.log.trim import Trimmer
from shared.secrets_folder import SecretsFolder
from shared.topics import REGISTRY_CHANGED, Topic


def build(
    placement: Placement, installation: Installation, outbox: SqliteOutbox, clock: Clock
) -> Backbone:
    """The surroundings of a process that shares a folder with all others."""
    secrets = SecretsFolder(installation.data)
    live = LiveView(secrets.pepper())
    failpoints = Failpoints(installation.fail_at)
    groups: list[Group] = []

    def log() -> FolderLog:
        return FolderLog(installation.log_folder)

    def apply(record: Record) -> None:
        live.apply(RegistryChanged.FromString(record.value))

    def group(
        name: str, topics: Sequence[Topic], handler: Handler, limits: ConsumerLimits
    ) -> Group:
        consumer = Consumer(name, topics, log(), outbox, handler, limits, clock, failpoints)
        groups.append(consumer)
        return consumer

    host = Host(
        data=installation.data,
        config=own_config(installation),
        clock=clock,
        outbox=outbox,
        live=live,
        clickhouse=ClickHouseAddress(
            url=f"http://127.0.0.1:{placement.sql_port}",
            user=secrets.operator_user,
            password=secrets.operator_password(),
        ),
        group=group,
        tls=installation.tls,
        failpoints=failpoints,
        bodies=Bodies(installation.body_budget_bytes),
    )
    trimmer = Trimmer(placement.name, outbox, log(), GROUPS, clock)
    gauges = OutboxGauges(placement.name, installation.log_folder, GROUPS, clock)
    view = Follower(REGISTRY_CHANGED, log(), apply, clock)
    return Backbone(host, view, [view.run, trimmer.run, gauges.run], groups)
