"""The log's side of the books in a cluster: what outboxes and Kafka hold, per topic, tenant and minute."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from shared.errors import Rejected, Unavailable
from shared.log.accounting import COUNTED, Cell, LogSide, summed
from shared.log.file import MINUTE_US
from shared.log.folder import FolderLog
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import record_of
from shared.log.kafka.reading import Span, read_batches, spans_since
from shared.log.kafka.relay import RELAY
from shared.log.reader import OutboxReader
from shared.log.record import ONLY_FOR, Record
from shared.log.sealed import Damaged
from shared.topics import ALL

CLOCKS_US = 10 * MINUTE_US  # how far a producer's clock may be ahead of a broker's
KEPT_HOURS = min(topic.retention_hours for topic in ALL if topic.name in COUNTED)


async def cluster_side(
    cluster: Cluster, outboxes: Sequence[Path], group: str, since_us: int = 0
) -> LogSide:
    """Read the folders of outboxes that lie here, and of Kafka's counted topics what was accepted since a time.

    What an outbox accepted it counted itself; what groups and outboxes elsewhere made is counted in
    Kafka, each place in a lane once, while it is kept there (`KEPT_HOURS`). What the relay or the storing group
    has not passed is in flight. Some of what is older is counted too. Raises `Unavailable`.
    """
    logs = [FolderLog(folder) for folder in outboxes]
    try:
        readers = [reader for log in logs for reader in log.readers()]
        here = frozenset(reader.producer for reader in readers)
        try:
            begin_us = max(0, since_us - CLOCKS_US)
            accepted, in_flight = await _facts(cluster, group, here, begin_us)
            quarantined = await _letters(cluster, group, begin_us)
            waiting = summed(_waiting(readers))
        except KafkaError as error:
            raise Unavailable(f"Kafka cannot be read: {error!r}.") from error
        except Damaged as damage:
            raise Unavailable(f"The books cannot be made: {damage}.") from damage
        counted = summed(row for reader in readers for row in reader.counts("accepted"))
        return LogSide(
            accepted=accepted + counted,
            quarantined=quarantined,
            in_flight=in_flight + waiting,
        )
    finally:
        for log in logs:
            log.close()


def _waiting(readers: Sequence[OutboxReader]) -> Iterable[tuple[str, str, int, int]]:
    passed: dict[str, int] = {}
    for reader in readers:
        for source, offset in reader.positions().get(RELAY, {}).items():
            passed[source] = max(passed.get(source, 0), offset)
    return (row for reader in readers for row in reader.beyond(passed.get(reader.source, 0)))


async def _facts(
    cluster: Cluster, group: str, here: frozenset[str], since_us: int
) -> tuple[Counter[Cell], Counter[Cell]]:
    """What was accepted elsewhere, and what the group has not passed."""
    names = {cluster.topic(t.name): t.name for t in ALL if t.name in COUNTED}
    partitions = {t.name: t.partitions for t in ALL}
    places = [TopicPartition(k, p) for k, name in names.items() for p in range(partitions[name])]
    passed = await _passed(cluster, group)
    spans = await spans_since(cluster, places, since_us)
    accepted, in_flight = Counter[Cell](), Counter[Cell]()
    seqs: dict[str, int] = {}
    async for record, place in _records(cluster, spans, names):
        if record.headers.get(ONLY_FOR, group) != group or record.seq <= seqs.get(record.lane, 0):
            continue
        seqs[record.lane] = record.seq
        if record.producer not in here:
            accepted[_cell(record, record.topic)] += 1
        if record.offset >= passed.get(place, 0):
            in_flight[_cell(record, record.topic)] += 1
    return accepted, in_flight


async def _letters(cluster: Cluster, group: str, since_us: int) -> Counter[Cell]:
    names = {cluster.topic(t.dead_letters): t.name for t in ALL if t.name in COUNTED}
    partitions = {t.name: t.partitions for t in ALL}
    places = [TopicPartition(k, p) for k, name in names.items() for p in range(partitions[name])]
    spans = await spans_since(cluster, places, since_us)
    letters, seqs = Counter[Cell](), Counter[str]()
    async for record, _ in _records(cluster, spans, names):
        # What the relay gave up on reaches no group: it is as good as given up by this one.
        if record.headers.get("group") in (group, RELAY) and record.seq > seqs[record.lane]:
            seqs[record.lane] = record.seq
            accepted_at_us = int(record.headers["accepted_at_us"])
            letters[record.topic, record.key, accepted_at_us // MINUTE_US] += 1
    return letters


async def _records(
    cluster: Cluster, spans: Mapping[TopicPartition, Span], names: Mapping[str, str]
) -> AsyncIterator[tuple[Record, TopicPartition]]:
    """The records that are there now; a stray message is no fact of anybody's."""
    async for place, messages in read_batches(cluster, spans):
        for message in messages:
            try:
                yield record_of(message, names[message.topic], ""), place
            except Rejected:
                continue


async def _passed(cluster: Cluster, group: str) -> dict[TopicPartition, int]:
    admin = cluster.admin()
    await admin.start()
    try:
        offsets: Mapping[TopicPartition, OffsetAndMetadata]
        offsets = await admin.list_consumer_group_offsets(cluster.prefix + group)
        return {place: found.offset for place, found in offsets.items()}
    finally:
        await admin.close()


def _cell(record: Record, topic: str) -> Cell:
    return topic, record.key, record.accepted_at_us // MINUTE_US
