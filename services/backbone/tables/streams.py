"""Faust apps that keep what Faust can keep: where a default of its loses or repeats something, it is set here.

Faust reads uncommitted messages and writes its changelogs without idempotence unless it is given its own
transactions, which it loses messages in when it is killed. So both are set, and its transactions are not used.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, TableT, TopicT
from yarl import URL

from shared.log.kafka.cluster import BATCH_BYTES, MAX_MESSAGE_BYTES, Cluster

SESSION_SECONDS = 6.0
HEARTBEAT_SECONDS = 1.0
REBALANCE_SECONDS = 10.0
COMMIT_SECONDS = 1.0
BUFFERED_EVENTS = 1_000

Stored = Callable[[TP], int | None]
"""The next offset of a partition by what is stored of it, if anything is."""


def stream_app(
    group: str, cluster: Cluster, instance: str, folder: Path, stored: Stored
) -> faust.App:
    """An app that joins `group` as `instance`, which is no other's. It makes no topic and listens nowhere.

    Keys and values are bytes. Static membership lets a process that was killed have its partitions back at
    once; nobody leads topics, for the partition of a key is computed by whoever tells the fact. Where Faust
    goes back, it goes back to what is `stored`.
    """
    app = faust.App(
        cluster.prefix + group,
        broker=[URL(f"kafka://{server}") for server in cluster.servers.split(",")],
        broker_credentials=_credentials(cluster),
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_commit_interval=COMMIT_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=instance,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_compression_type="zstd",
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        stream_buffer_maxsize=BUFFERED_EVENTS,
        stream_wait_empty=False,  # what is in hand when partitions go is dropped, and comes again
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=str(folder),
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
    )
    app.transport = _Transport(app.conf.broker_consumer, app, stored)
    # Changelogs flow while tables are restored. Then Faust resumes the topics, goes back to where it stood, and at last
    # empties its buffers: what came in between would be lost. So nothing flows until it lets all flow again.
    app.on_rebalance_complete.connect(lambda *_, **__: app.consumer.stop_flow())
    return app


def raw_topic(app: faust.App, names: Sequence[str]) -> TopicT:
    """The messages of some topics as they are; one without a value is handed on too."""
    return app.topic(*names, key_type=bytes, value_type=bytes, allow_empty=True)


def raw_table(app: faust.App, name: str, topic: str, partitions: int) -> TableT[bytes, bytes]:
    """A table of blobs, restored from the compacted topic that is named."""
    changelog = app.topic(
        topic,
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        compacting=True,
        acks=False,
        internal=True,
        maxsize=131_072,  # Faust's own for changelogs
        allow_empty=True,
    )
    return app.Table(
        name,
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        changelog_topic=changelog,
    )


def _credentials(cluster: Cluster) -> faust.auth.Credentials | None:
    if cluster.username:
        return faust.SASLCredentials(
            username=cluster.username,
            password=cluster.password,
            ssl_context=cluster.tls,
            mechanism="SCRAM-SHA-512",
        )
    return faust.SSLCredentials(cluster.tls) if cluster.tls else None


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Reads what transactions of other services committed, and nothing of those that they aborted."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _Consumer(driver.Consumer):
    """Goes back to what is stored; where nothing is, to what is committed, and else to the beginning.

    What Faust commits is no measure of what was handled: it acknowledges what it skips in a rebalance. And aiokafka
    goes back on no partition of which nothing is committed: what was fetched and thrown away there never came again.
    """

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        committed = await super().seek_to_committed()
        offsets = {
            place: self._back(place, committed)
            for place in self.assignment()
            if not self._is_changelog_tp(place)
        }
        await self.seek_wait(offsets)
        return offsets

    def _back(self, place: TP, committed: Mapping[TP, int | None]) -> int:
        assert isinstance(self.transport, _Transport)
        stored = self.transport.stored(place)
        return (committed.get(place) or 0) if stored is None else stored


class _Producer(driver.Producer):
    """Writes each message once and in order, whatever has to be sent again."""

    def _settings_extra(self) -> dict[str, object]:
        return {"acks": "all", "enable_idempotence": True}


class _Transport(driver.Transport):
    Consumer = _Consumer
    Producer = _Producer

    def __init__(self, urls: Sequence[URL], app: faust.App, stored: Stored) -> None:
        super().__init__(urls, app)
        self.stored = stored
