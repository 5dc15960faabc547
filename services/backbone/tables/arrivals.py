"""What Faust hands over, as records; and what it passed over, read again.

Faust has lost messages that it had fetched, and gone on behind them. The numbers of a lane tell, before anything is handled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import EventT

from shared.errors import Rejected
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import record_of, stray_of
from shared.log.kafka.reading import Span, read_spans
from shared.log.record import DeadLetter, Position, Record

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Messages as records, with the ranges that they stand in by source; `strays` are among them, and no facts."""

    records: list[Record] = field(default_factory=list)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    strays: list[DeadLetter] = field(default_factory=list)


def source_of(cluster: Cluster, place: TopicPartition | ConsumerRecord) -> str:
    """What positions name a partition of a topic."""
    return f"{cluster.name(place.topic)}/{place.partition}"


async def whole(
    cluster: Cluster, events: Iterable[EventT[bytes]], positions: Mapping[str, Position]
) -> Arrivals:
    """What arrived, and what there is between it and the stored positions. Raises `KafkaError`."""
    messages = [_message(event) for event in events]
    found = arrivals(cluster, messages)
    holes = torn(found, positions)
    if not holes:
        return found
    log.warning("group.passed_over", ranges=holes)
    again = await read_spans(
        cluster, {_place(cluster, source): Span(*range_) for source, range_ in holes.items()}
    )
    rest = [message for message in messages if source_of(cluster, message) not in holes]
    return arrivals(cluster, [*again, *rest])


def arrivals(cluster: Cluster, messages: Iterable[ConsumerRecord]) -> Arrivals:
    """Messages, each partition's in order, as records."""
    found = Arrivals()
    for message in messages:
        topic, source = cluster.name(message.topic), source_of(cluster, message)
        start, _ = found.ranges.get(source, (message.offset, 0))
        found.ranges[source] = (start, message.offset + 1)
        try:
            found.records.append(record_of(message, topic, source))
        except Rejected as fault:
            found.strays.append(DeadLetter(stray_of(message, topic, source), fault.message))
    return found


def torn(found: Arrivals, positions: Mapping[str, Position]) -> dict[str, tuple[int, int]]:
    """The sources with a hole in a lane behind what is stored, each with all that is to be read of it."""
    return {
        source: (positions[source].next_offset, end)
        for source, (_, end) in found.ranges.items()
        if source in positions
        and _has_hole([r for r in found.records if r.source == source], positions[source])
    }


def _has_hole(records: Sequence[Record], position: Position) -> bool:
    last = dict(position.seqs)
    for record in records:
        if record.seq > last.get(record.lane, 0) + 1:
            return True
        last[record.lane] = max(record.seq, last.get(record.lane, 0))
    return False


def _place(cluster: Cluster, source: str) -> TopicPartition:
    topic, _, partition = source.rpartition("/")
    return TopicPartition(cluster.topic(topic), int(partition))


def _message(event: EventT[bytes]) -> ConsumerRecord:
    """The message of an event as Kafka's client gives it: times are milliseconds."""
    message = event.message
    return ConsumerRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=round(message.timestamp * 1000),
        timestamp_type=message.timestamp_type,
        key=message.key,
        value=message.value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=message.headers or (),
    )
