"""Which Kafka: its address, and clients for it that are set to lose nothing."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # the largest fact is 4 MiB; a state may be larger
BATCH_BYTES = 512 * 1024
REQUEST_MS = 15_000
# A member that died holds its partitions for so long: the least that brokers allow by default.
SESSION_MS = 6_000
HEARTBEAT_MS = 1_000
# A topic that was made anew under a running group is noticed after so long.
METADATA_MS = 5_000
TRANSACTION_MS = 30_000
# A handler that does not come back for so long has lost its partitions; one that waits has not.
MAX_POLL_MS = 300_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka, and how the topics and groups of this installation are told from others' there."""

    servers: str
    prefix: str = ""
    tls: ssl.SSLContext | None = None
    username: str = ""
    password: str = field(default="", repr=False)

    def topic(self, name: str) -> str:
        """The name in Kafka of one of our topics."""
        return self.prefix + name

    def name(self, topic: str) -> str:
        """Our name of a topic in Kafka."""
        return topic.removeprefix(self.prefix)

    def state_topic(self, group: str) -> str:
        """The compacted topic of a group's positions and states."""
        return f"{self.prefix}leeway.{group}.state"

    def table_topic(self, group: str) -> str:
        """The compacted topic of a group's states where they are a stream table."""
        return f"{self.prefix}leeway.{group}.table"

    def producer(self, compression: str | None, seat: str | None = None) -> AIOKafkaProducer:
        """A producer whose acknowledgement means that every replica in sync has it; `seat` fences."""
        return AIOKafkaProducer(
            **self._connection(),
            acks="all",
            enable_idempotence=True,
            compression_type=compression,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            transactional_id=None if seat is None else f"{self.prefix}leeway.{seat}",
            transaction_timeout_ms=TRANSACTION_MS,
        )

    def reader(self) -> AIOKafkaConsumer:
        """A consumer outside any group, which is told what to read."""
        return AIOKafkaConsumer(**self._connection(), **_READING)

    def member(self, group: str) -> AIOKafkaConsumer:
        """A consumer that joins a group. The range assignor gives a member the same partition numbers
        of every topic."""
        return AIOKafkaConsumer(
            **self._connection(),
            **_READING,
            group_id=self.prefix + group,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=MAX_POLL_MS,
            metadata_max_age_ms=METADATA_MS,
        )

    def admin(self) -> AIOKafkaAdminClient:
        """A client for topics and groups."""
        return AIOKafkaAdminClient(**self._connection())

    def client(self) -> AIOKafkaClient:
        """A client for single requests."""
        return AIOKafkaClient(**self._connection())

    def _connection(self) -> Mapping[str, Any]:
        sasl = {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        protocol = ("SASL_" if self.username else "") + ("SSL" if self.tls else "PLAINTEXT")
        return {
            "bootstrap_servers": self.servers,
            "client_id": "leeway",
            "request_timeout_ms": REQUEST_MS,
            "security_protocol": protocol,
            "ssl_context": self.tls,
            **(sasl if self.username else {}),
        }


_READING: Mapping[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "max_partition_fetch_bytes": MAX_MESSAGE_BYTES,
    # Of all partitions together, compressed: what is on its way is held twice, and unpacked it is several times as much.
    "fetch_max_bytes": 2 * MAX_MESSAGE_BYTES,
}
