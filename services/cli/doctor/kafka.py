"""Kafka: whether it answers, its topics, and how far behind each group is."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.structs import TopicPartition

from services.cli.doctor.findings import Finding, State, fail, ok, warn
from services.cli.doctor.members import members
from shared.clock import Clock
from shared.errors import Conflict, Unavailable
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.layout import INTERNAL, in_sync, kept, layouts, plan, replicas
from shared.log.kafka.letters import KafkaLetters
from shared.log.kafka.reading import Span, read_spans
from shared.topics import ALL, Topic

MUCH_LAG = 10_000
FEW = 10


async def kafka(cluster: Cluster, clock: Clock) -> AsyncIterator[Finding]:
    """Everything about it; nothing more once it does not answer, or topics are missing."""
    admin = cluster.admin()
    try:
        await admin.start()
        yield ok("kafka", f"{cluster.servers} answers.")
        topics = await _topics(admin, cluster)
        yield topics
        if topics.state is State.FAIL:
            return
        async for finding in safety(admin, cluster):
            yield finding
        async for finding in _groups(admin, cluster):
            yield finding
        async for finding in _letters(cluster, clock):
            yield finding
    except GroupCoordinatorNotAvailableError:
        yield fail("groups", "No group has ever had a member: start the services.")
    except (KafkaError, Unavailable) as error:
        yield fail("kafka", f"{cluster.servers} does not answer as it should: {error!r}.")
    finally:
        await admin.close()


async def _letters(cluster: Cluster, clock: Clock) -> AsyncIterator[Finding]:
    found = await KafkaLetters(cluster, clock).read(values=False)
    for (group, topic), count in Counter((one.group, one.topic.name) for one in found).items():
        yield warn(
            "dead letters",
            f"{group} gave up on {count} of {topic}: `leeway dlq list --group {group}` says why.",
        )


async def _topics(admin: AIOKafkaAdminClient, cluster: Cluster) -> Finding:
    wanted = layouts(cluster)
    try:
        changes = await plan(admin, wanted, await replicas(admin))
    except Conflict as fault:
        return fail("topics", fault.message)
    if not changes:
        return ok("topics", f"All {len(wanted)} are as they must be.")
    state = fail if any(change.made for change in changes) else warn
    told = "; ".join(map(str, changes))
    return state("topics", f"`leeway topics apply` would {told}.")


async def safety(admin: AIOKafkaAdminClient, cluster: Cluster) -> AsyncIterator[Finding]:
    """Where there is more than one broker: whether each can be lost, as to our topics and to Kafka's own."""
    enough = await replicas(admin)
    if enough == 1:
        return
    found = await kept(admin, [*(layout.name for layout in layouts(cluster)), *INTERNAL])
    if few := [name for name, topic in found.items() if topic.copies < enough]:
        yield warn(
            "copies",
            f"Fewer than {enough} brokers keep {', '.join(sorted(few))}: one that is lost may take"
            " what was acknowledged along; `kafka-reassign-partitions` adds copies.",
        )
    # What our own topics need is in `topics`: `leeway topics apply` sets it.
    lax = [
        name
        for name in INTERNAL
        if name in found and found[name].in_sync < in_sync(found[name].copies)
    ]
    if lax:
        yield warn(
            "copies",
            f"{' and '.join(lax)} acknowledge what one broker has:"
            f" set min.insync.replicas={in_sync(enough)} on them.",
        )
    if not few and not lax:
        yield ok("copies", f"{enough} brokers keep each topic; any of them can be lost.")


async def _groups(admin: AIOKafkaAdminClient, cluster: Cluster) -> AsyncIterator[Finding]:
    followed = _followed()
    ends = await _ends(cluster)
    there = await members(admin, cluster, followed)
    for group, topics in followed.items():
        committed = await admin.list_consumer_group_offsets(cluster.prefix + group)
        names = {cluster.topic(topic.name) for topic in topics}
        lag = await _unread(
            cluster,
            {
                place: Span(committed[place].offset if place in committed else 0, end)
                for place, end in ends.items()
                if place.topic in names
            },
        )
        told = f"{group} has {there[group]} members and about {lag} records to read"
        if not there[group]:
            yield fail("groups", f"{told}: nobody reads, start `python -m services {group}`.")
        elif lag > MUCH_LAG:
            yield warn("groups", f"{told}: is it slow, or just back?")
        else:
            yield ok("groups", f"{told}.")


async def _unread(cluster: Cluster, spans: Mapping[TopicPartition, Span]) -> int:
    """About how many records are in these spans. Where few offsets are left they are looked at: the ends of
    transactions take offsets too."""
    left = {place: (span.end or 0) - (span.start or 0) for place, span in spans.items()}
    few = {place: spans[place] for place, offsets in left.items() if 0 < offsets <= FEW}
    read = len(await read_spans(cluster, few))
    return read + sum(offsets for offsets in left.values() if offsets > FEW)


def _followed() -> Mapping[str, list[Topic]]:
    groups: dict[str, list[Topic]] = {}
    for topic in ALL:
        for group in () if topic.compacted else topic.consumers:
            groups.setdefault(group, []).append(topic)
    return groups


async def _ends(cluster: Cluster) -> Mapping[TopicPartition, int]:
    places = [
        TopicPartition(cluster.topic(topic.name), number)
        for topic in ALL
        for number in range(topic.partitions)
    ]
    reader = cluster.reader()
    try:
        await reader.start()
        ends: Mapping[TopicPartition, int] = await reader.end_offsets(places)
        return ends
    finally:
        await reader.stop()
