"""The topics that Kafka must have, as `shared/topics.py` says, and the changes that bring it there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.clock import Clock
from shared.errors import Conflict, Unavailable
from shared.log.kafka.cluster import MAX_MESSAGE_BYTES, Cluster
from shared.topics import ALL, TABLED, Topic

HOUR_MS = 3_600_000
FOR_EVER = "-1"
ENOUGH = 3  # copies: one may be away for repair, and one may fail
IN_SYNC = "min.insync.replicas"
# What Kafka keeps for itself: the offsets of groups, and what became of transactions.
INTERNAL = ("__consumer_offsets", "__transaction_state")
POLL_SECONDS = 0.05
KNOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How a topic is to be, by its name in Kafka."""

    name: str
    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to one topic: make it (`made`, in so many `copies`), or change some of its settings.

    `settings` says what they are and what they will be, `others` what was set besides and stays.
    """

    layout: Layout
    made: bool
    copies: int
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.made:
            settings = ", ".join(f"{name}={value}" for name, value in self.layout.settings.items())
            size = f"{self.layout.partitions} partitions, {self.copies} copies"
            return f"make {self.layout.name}: {size}, {settings}"
        changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in self.settings.items())
        return f"change {self.layout.name}: {changes}"


@dataclass(frozen=True, slots=True)
class Kept:
    """How a topic is kept: its partitions, the brokers that keep each of them, and how many must have a
    message before it is acknowledged."""

    partitions: int
    copies: int
    in_sync: int


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
        *(Layout(cluster.topic(t.name), t.partitions, _facts(t)) for t in topics),
        *(Layout(cluster.topic(t.dead_letters), t.partitions, _DEAD) for t in topics),
        *(Layout(cluster.state_topic(g), n, _STATE) for g, n in sorted(groups.items())),
        *(Layout(cluster.table_topic(g), groups[g], _STATE) for g in sorted(tabled) if g in groups),
    ]


async def replicas(admin: AIOKafkaAdminClient, asked: int = 0) -> int:
    """How many brokers keep a new topic: as many as asked for; else all there are, but three at most."""
    brokers: Sequence[object] = (await admin.describe_cluster())["brokers"]
    return asked or min(len(brokers), ENOUGH)


def in_sync(copies: int) -> int:
    """How many of the copies must have a message before it counts: all but one, which may be away."""
    return max(1, copies - 1)


async def plan(admin: AIOKafkaAdminClient, wanted: Sequence[Layout], copies: int) -> list[Change]:
    """What has to change; a topic that is made gets so many copies, and one that is there keeps its own.

    Raises `Conflict` when a topic has another number of partitions: more of them would send a key
    elsewhere, and break the order of what was said about it.
    """
    existing = await _sizes(admin, [layout.name for layout in wanted])
    there = [layout for layout in wanted if layout.name in existing]
    for layout in there:
        if existing[layout.name].partitions != layout.partitions:
            raise Conflict(
                f"Topic {layout.name} has {existing[layout.name].partitions} partitions, not "
                f"{layout.partitions}: to change that, drain it and make it anew."
            )
    made = [
        Change(_acknowledged(layout, copies), made=True, copies=copies)
        for layout in wanted
        if layout.name not in existing
    ]
    found = await _settings(admin, [layout.name for layout in there])
    changed = [
        _change(layout, existing[layout.name].copies, found[layout.name]) for layout in there
    ]
    return made + [change for change in changed if change.settings]


async def kept(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Mapping[str, Kept]:
    """How those of the topics are kept that are there."""
    sizes = await _sizes(admin, names)
    settings = await _settings(admin, list(sizes))
    return {
        name: Kept(size.partitions, size.copies, int(settings[name][IN_SYNC].value))
        for name, size in sizes.items()
    }


async def apply(admin: AIOKafkaAdminClient, changes: Sequence[Change], clock: Clock) -> None:
    """Make the changes; when it returns, the topics are known. Raises `Unavailable`."""
    made = [change for change in changes if change.made]
    response = await admin.create_topics(
        [
            NewTopic(
                change.layout.name,
                change.layout.partitions,
                change.copies,
                topic_configs=change.layout.settings,
            )
            for change in made
        ]
    )
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Unavailable(f"Kafka did not make topic {name}: {error.__name__}.")
    await _known(admin, [change.layout.name for change in made], clock)
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


async def _known(admin: AIOKafkaAdminClient, names: Sequence[str], clock: Clock) -> None:
    """Wait until the broker that is asked has heard of the topics. Raises `Unavailable`."""
    deadline = clock.monotonic() + KNOWN_SECONDS
    while missing := sorted(set(names) - set(await _sizes(admin, names))):
        if clock.monotonic() >= deadline:
            raise Unavailable(
                f"Kafka took {', '.join(missing)}, and does not know them {KNOWN_SECONDS:.0f} s later."
            )
        await clock.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class _Size:
    partitions: int
    copies: int  # of that partition which has the fewest


async def _sizes(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Mapping[str, _Size]:
    """The sizes of those topics that are there."""
    if not names:
        return {}
    return {
        topic["topic"]: _Size(
            len(topic["partitions"]), min(len(each["replicas"]) for each in topic["partitions"])
        )
        for topic in await admin.describe_topics(list(names))
        if topic["partitions"]
    }


@dataclass(frozen=True, slots=True)
class _Setting:
    value: str
    on_topic: bool  # set on this topic, not a default


async def _settings(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> Mapping[str, Mapping[str, _Setting]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    responses = await admin.describe_configs(resources)
    return {
        resource["resource_name"]: {
            entry["config_names"]: _Setting(entry["config_value"], entry["config_source"] == 1)
            for entry in resource["config_entries"]
        }
        for response in responses
        for resource in response.to_object()["resources"]
    }


def _acknowledged(layout: Layout, copies: int) -> Layout:
    """The layout with the setting that depends on how many copies there are."""
    return replace(layout, settings={**layout.settings, IN_SYNC: str(in_sync(copies))})


def _change(plain: Layout, copies: int, found: Mapping[str, _Setting]) -> Change:
    layout = _acknowledged(plain, copies)
    settings = {
        name: (found[name].value, value)
        for name, value in layout.settings.items()
        if found[name].value != value
    }
    others = {name: setting.value for name, setting in found.items() if setting.on_topic}
    return Change(layout, made=False, copies=copies, settings=settings, others=others)


def _facts(topic: Topic) -> Mapping[str, str]:
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
