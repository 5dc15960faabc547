"""The topics that Kafka must have, as `shared/topics.py` says, and the changes that bring it there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.clock import Clock
from shared.errors import Conflict, Unavailable
from shared.log.kafka.cluster import MAX_MESSAGE_BYTES, Cluster
from shared.topics import ALL, TABLED, Topic

HOUR_MS = 3_600_000
FOR_EVER = "-1"
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Layout:
    """How a topic is to be, by its name in Kafka."""

    name: str
    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to one topic: make it (`made`), or change some of its settings.

    `settings` says what they are and what they will be, `others` what was set besides and stays.
    """

    layout: Layout
    made: bool
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.made:
            settings = ", ".join(f"{name}={value}" for name, value in self.layout.settings.items())
            return f"make {self.layout.name}: {self.layout.partitions} partitions, {settings}"
        changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in self.settings.items())
        return f"change {self.layout.name}: {changes}"


def layouts(
    cluster: Cluster, topics: Iterable[Topic] = ALL, tabled: Collection[str] = TABLED
) -> list[Layout]:
    """Every topic there is to be: the facts', their dead letters', and the states' of the groups."""
    topics = list(topics)
    groups = {
        group: topic.partitions
        for topic in topics
        if not topic.compacted  # a compacted topic is followed, without a position
        for group in topic.consumers
    }
    return [
        *(Layout(cluster.topic(t.name), t.partitions, _kept(t)) for t in topics),
        *(Layout(cluster.topic(t.dead_letters), t.partitions, _DEAD) for t in topics),
        *(Layout(cluster.state_topic(g), n, _STATE) for g, n in sorted(groups.items())),
        *(Layout(cluster.table_topic(g), groups[g], _STATE) for g in sorted(tabled) if g in groups),
    ]


async def plan(admin: AIOKafkaAdminClient, wanted: Sequence[Layout]) -> list[Change]:
    """What has to change. Raises `Conflict` when a topic has another number of partitions.

    More partitions would send a key elsewhere, and break the order of what was said about it.
    """
    existing = await _partitions(admin, wanted)
    there = [layout for layout in wanted if layout.name in existing]
    for layout in there:
        if existing[layout.name] != layout.partitions:
            raise Conflict(
                f"Topic {layout.name} has {existing[layout.name]} partitions, not {layout.partitions}: "
                "to change that, drain it and make it anew."
            )
    made = [Change(layout, made=True) for layout in wanted if layout.name not in existing]
    found = await _settings(admin, there)
    changed = [_change(layout, found[layout.name]) for layout in there]
    return made + [change for change in changed if change.settings]


async def apply(
    admin: AIOKafkaAdminClient, changes: Sequence[Change], replication: int, clock: Clock
) -> None:
    """Make the changes; when it returns, the topics are known. Raises `Unavailable`."""
    made = [change.layout for change in changes if change.made]
    response = await admin.create_topics(
        [
            NewTopic(layout.name, layout.partitions, replication, topic_configs=layout.settings)
            for layout in made
        ]
    )
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Unavailable(f"Kafka did not make topic {name}: {error.__name__}.")
    while len(await _partitions(admin, made)) < len(made):
        await clock.sleep(POLL_SECONDS)
    # Kafka takes the settings of a topic as a whole: what is not named goes back to its default.
    changed = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            change.layout.name,
            {**change.others, **change.layout.settings},
        )
        for change in changes
        if not change.made
    ]
    for response in await admin.alter_configs(changed) if changed else ():
        for code, message, _, name in response.resources:
            if code:
                raise Unavailable(f"Kafka did not change topic {name}: {message}.")


async def _partitions(admin: AIOKafkaAdminClient, layouts: Sequence[Layout]) -> Mapping[str, int]:
    """How many partitions those of the topics have that are there."""
    if not layouts:
        return {}
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics([layout.name for layout in layouts])
        if topic["partitions"]
    }


@dataclass(frozen=True, slots=True)
class _Setting:
    value: str
    on_topic: bool  # set on this topic, not a default


async def _settings(
    admin: AIOKafkaAdminClient, wanted: Sequence[Layout]
) -> Mapping[str, Mapping[str, _Setting]]:
    if not wanted:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, layout.name) for layout in wanted]
    responses = await admin.describe_configs(resources)
    return {
        resource["resource_name"]: {
            entry["config_names"]: _Setting(entry["config_value"], entry["config_source"] == 1)
            for entry in resource["config_entries"]
        }
        for response in responses
        for resource in response.to_object()["resources"]
    }


def _change(layout: Layout, found: Mapping[str, _Setting]) -> Change:
    settings = {
        name: (found[name].value, value)
        for name, value in layout.settings.items()
        if found[name].value != value
    }
    others = {name: setting.value for name, setting in found.items() if setting.on_topic}
    return Change(layout, made=False, settings=settings, others=others)


def _kept(topic: Topic) -> Mapping[str, str]:
    """Facts that build up a view are kept for ever: their key is the tenant, which is no key to compact by."""
    hours = FOR_EVER if topic.compacted else str(topic.retention_hours * HOUR_MS)
    return {**_EVERY, "cleanup.policy": "delete", "retention.ms": hours}


# The brokers' clock decides how long a message is kept: a producer whose own is wrong would be refused.
_EVERY = {
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "message.timestamp.type": "LogAppendTime",
}
_DEAD = {**_EVERY, "cleanup.policy": "delete", "retention.ms": FOR_EVER}
# A position is written with every batch: small segments, cleaned early, keep a start quick.
_STATE = {
    **_EVERY,
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}
