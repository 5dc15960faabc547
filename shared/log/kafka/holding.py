"""What a member of a group holds between two changes of the group, and how it takes hold of it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition

from shared.errors import Rejected
from shared.failpoints import NONE, Failpoints
from shared.log.file import Ranges
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import record_of, stray_of
from shared.log.kafka.reading import Span, read_spans
from shared.log.kafka.seat import Seat
from shared.log.kafka.stored import Stored
from shared.log.kafka.topic_ids import topic_ids
from shared.log.record import DeadLetter, Position, Record

log = structlog.get_logger()

Messages = Mapping[TopicPartition, Sequence[ConsumerRecord]]

HELD_BYTES = 32 * 1024 * 1024

_NOTHING = OffsetAndMetadata(-1, "")


@dataclass(slots=True)
class Holding:
    """The partitions of a member (by the name of their source), and a seat for each partition number.

    `intents` are batches that were begun and not ended, by partition number; `fetched` is what came
    and was not handed out, longest waiting first, `strays` what came and is no fact.
    """

    places: Mapping[str, TopicPartition]
    seats: Mapping[int, Seat]
    intents: dict[int, Ranges] = field(default_factory=dict)
    fetched: dict[int, dict[TopicPartition, list[ConsumerRecord]]] = field(default_factory=dict)
    strays: dict[int, list[DeadLetter]] = field(default_factory=dict)
    fetched_bytes: int = 0

    def room(self, limit: int) -> int:
        """How many messages more may be fetched: `limit` in all, and none once `HELD_BYTES` wait."""
        held = sum(len(each) for part in self.fetched.values() for each in part.values())
        return max(0, limit - held) if self.fetched_bytes < HELD_BYTES else 0

    def add(self, messages: Messages) -> None:
        """Keep what was fetched, behind what waits of the same partition number."""
        for place, each in messages.items():
            self.fetched.setdefault(place.partition, {}).setdefault(place, []).extend(each)
        self.fetched_bytes += _bytes(messages)

    def next_part(self) -> tuple[int, Messages]:
        """The partition number that has waited longest, and what came of it: it goes to the end of the queue."""
        number = next(iter(self.fetched))
        part = self.fetched.pop(number)
        self.fetched_bytes -= _bytes(part)
        return number, part

    def has_fetched(self, place: TopicPartition) -> bool:
        """Whether something of the partition came and was not handed out."""
        return place in self.fetched.get(place.partition, {})

    def records(self, messages: Messages, cluster: Cluster) -> tuple[list[Record], Ranges]:
        """The facts among the messages, by source, and the ranges they came from; strays are kept."""
        records: list[Record] = []
        ranges: dict[str, tuple[int, int]] = {}
        for source, place in sorted(self.places.items()):
            each = messages.get(place)
            if not each:
                continue
            ranges[source] = (each[0].offset, each[-1].offset + 1)
            topic = cluster.name(place.topic)
            for message in each:
                try:
                    records.append(record_of(message, topic, source))
                except Rejected as fault:
                    letter = DeadLetter(stray_of(message, topic, source), fault.message)
                    self.strays.setdefault(place.partition, []).append(letter)
        return records, ranges

    async def close(self) -> None:
        """Let go of the seats."""
        await _close(self.seats.values())


def _bytes(messages: Messages) -> int:
    return sum(len(one.value or b"") for each in messages.values() for one in each)


async def take(
    group: str,
    assigned: Iterable[TopicPartition],
    cluster: Cluster,
    failpoints: Failpoints = NONE,
) -> Holding:
    """Claim the seats of what was assigned, and read what is stored there.

    Raises `Unavailable`, `KafkaError`.
    """
    places = sorted(assigned)
    numbers = sorted({place.partition for place in places})
    seats = {number: Seat(group, number, cluster, failpoints) for number in numbers}
    async with AsyncExitStack() as undo:
        undo.push_async_callback(_close, seats.values())
        await _claim(seats.values())
        topic = cluster.state_topic(group)
        spans = {TopicPartition(topic, partition): Span() for partition in seats}
        stored: dict[int, list[ConsumerRecord]] = defaultdict(list)
        for message in await read_spans(cluster, spans):
            stored[message.partition].append(message)
        for partition, seat in seats.items():
            seat.recall(stored[partition])
        ids = await topic_ids(cluster, {place.topic for place in places})
        undo.pop_all()
    named = {f"{cluster.name(p.topic)}/{ids[p.topic]}/{p.partition}": p for p in places}
    for source, place in named.items():
        seats[place.partition].stored = _followed_on(seats[place.partition].stored, source)
    return Holding(named, seats)


async def _claim(seats: Iterable[Seat]) -> None:
    """Claim them all; when one is not to be had, the others are first let come to an end."""
    claims = [seat.claim() for seat in seats]
    for outcome in await asyncio.gather(*claims, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _close(seats: Iterable[Seat]) -> None:
    await asyncio.gather(*(seat.close() for seat in seats))


async def stand(
    holding: Holding,
    consumer: AIOKafkaConsumer,
    committed: Mapping[TopicPartition, OffsetAndMetadata],
) -> None:
    """Put every partition to its stored position, and find the intents in the committed metadata."""
    found: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    sizes: dict[int, int] = {}
    unread: list[TopicPartition] = []
    for source, place in holding.places.items():
        position = holding.seats[place.partition].stored.positions.get(source)
        told = committed.get(place, _NOTHING)
        if told.metadata and told.offset >= (position.next_offset if position else 0):
            intent = json.loads(told.metadata)
            found[place.partition][source] = (told.offset, intent["end"])
            sizes[place.partition] = intent["sources"]
        start = position.next_offset if position else told.offset
        if start > 0:
            consumer.seek(place, start)
        else:
            unread.append(place)
    if unread:
        await consumer.seek_to_beginning(*unread)
    # One commit carried the whole intent: part of one is what a batch left that was ended.
    holding.intents = {p: ranges for p, ranges in found.items() if len(ranges) == sizes[p]}


def intention(
    ranges: Ranges, places: Mapping[str, TopicPartition]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """The offsets to commit so that `stand` finds this batch: they stay, their metadata names its end."""
    return {
        places[source]: OffsetAndMetadata(
            start, json.dumps({"end": end, "sources": len(ranges)}, separators=(",", ":"))
        )
        for source, (start, end) in ranges.items()
    }


def _followed_on(stored: Stored, source: str) -> Stored:
    """A topic made anew is read from its start, and its lanes are counted on from where they were."""
    topic, _, partition = source.split("/")
    positions = dict(stored.positions)
    for old in stored.positions:
        if old != source and old.split("/")[::2] == [topic, partition]:
            former = positions.pop(old)
            positions.setdefault(source, Position(0, former.seqs))
            log.error("topic.made_anew", topic=topic, partition=partition, read=former.next_offset)
    return replace(stored, positions=positions)
