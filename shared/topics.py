"""Every topic, its producer and its consumers: the picture of the README can be drawn from this file."""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream of one type of fact. `message` is the protobuf message of its value.

    `compression` is how Kafka's producers pack it ("" for what does not shrink).
    """

    name: str
    message: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int = 12
    retention_hours: int = 168
    compacted: bool = False
    compression: str = "zstd"

    def partition(self, key: str) -> int:
        """The partition of a key: the producer computes it, so that order holds from end to end."""
        return zlib.crc32(key.encode()) % self.partitions

    @property
    def dead_letters(self) -> str:
        """The topic of the records of this one that can never be handled."""
        return f"{self.name}.dlq"


INTERACTION_COMPLETED = Topic(
    "interaction.completed.v1",
    "InteractionCompleted",
    producers=("serving", "ingest"),
    consumers=("warehouse", "billing", "drift", "evaluation", "alerting"),
)
SPAN_ENDED = Topic("span.ended.v1", "SpanEnded", ("ingest",), ("warehouse",))
FEEDBACK_RECEIVED = Topic(
    "feedback.received.v1", "FeedbackReceived", ("feedback",), ("warehouse", "drift")
)
INTERACTION_SCORED = Topic(
    "interaction.scored.v1", "InteractionScored", ("evaluation", "serving"), ("warehouse", "drift")
)
INTERACTION_EMBEDDED = Topic(
    "interaction.embedded.v1", "InteractionEmbedded", ("drift",), ("warehouse",), compression=""
)
USAGE_RATED = Topic("usage.rated.v1", "UsageRated", ("billing",), ("warehouse", "alerting"))
DRIFT_DETECTED = Topic("drift.detected.v1", "DriftDetected", ("drift",), ("warehouse", "alerting"))
DRIFT_MEASURED = Topic("drift.measured.v1", "DriftMeasured", ("drift",), ("warehouse",))
ALERT_CHANGED = Topic("alert.changed.v1", "AlertChanged", ("alerting",), ("warehouse",))
REGISTRY_CHANGED = Topic(
    "registry.changed.v1",
    "RegistryChanged",
    producers=("registry",),
    consumers=("serving", "ingest", "feedback"),
    partitions=1,
    compacted=True,
)

ALL: tuple[Topic, ...] = (
    INTERACTION_COMPLETED,
    SPAN_ENDED,
    FEEDBACK_RECEIVED,
    INTERACTION_SCORED,
    INTERACTION_EMBEDDED,
    USAGE_RATED,
    DRIFT_DETECTED,
    DRIFT_MEASURED,
    ALERT_CHANGED,
    REGISTRY_CHANGED,
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in ALL}

TABLED = frozenset({"drift"})
"""The groups whose states may be a table of Faust: such a group has a topic for it."""
