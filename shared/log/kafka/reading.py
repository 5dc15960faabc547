"""Reading parts of topics outside any group: ranges of partitions, and whole topics as they grow."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import structlog
from aiokafka.structs import ConsumerRecord, TopicPartition

from shared.errors import Rejected
from shared.log.file import Ranges
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import record_of
from shared.log.record import Position, Record
from shared.topics import Topic

log = structlog.get_logger()

WAIT_MS = 200


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a partition: from an offset (None: the first there is) to before another (None: all)."""

    start: int | None = None
    end: int | None = None


async def spans_since(
    cluster: Cluster, places: Iterable[TopicPartition], at_us: int
) -> dict[TopicPartition, Span]:
    """From the first message of each partition that Kafka took at a time or later; those without one are left out.

    What was accepted since then is behind it, as far as the clocks agree.
    """
    consumer = cluster.reader()
    await consumer.start()
    try:
        found = await consumer.offsets_for_times(dict.fromkeys(places, at_us // 1000))
    finally:
        await consumer.stop()
    return {place: Span(first.offset) for place, first in found.items() if first is not None}


async def read_spans(
    cluster: Cluster, spans: Mapping[TopicPartition, Span]
) -> list[ConsumerRecord]:
    """The messages of some parts of partitions that are there now, by partition, in their order."""
    found: dict[TopicPartition, list[ConsumerRecord]] = {place: [] for place in spans}
    async for place, messages in read_batches(cluster, spans):
        found[place] += messages
    return [message for place in sorted(found) for message in found[place]]


async def read_batches(
    cluster: Cluster, spans: Mapping[TopicPartition, Span]
) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
    """The same as they come: messages of one partition after another's, each partition's in order."""
    if not spans:
        return
    consumer = cluster.reader()
    consumer.assign([*spans])
    await consumer.start()
    try:
        starts = await consumer.beginning_offsets([p for p, s in spans.items() if s.start is None])
        ends = await consumer.end_offsets([*spans])
        for place, span in spans.items():
            consumer.seek(place, starts[place] if span.start is None else span.start)
            ends[place] = ends[place] if span.end is None else min(ends[place], span.end)
        open_ = set(spans)
        while open_ := {p for p in open_ if await consumer.position(p) < ends[p]}:
            for place, messages in (await consumer.getmany(*open_, timeout_ms=WAIT_MS)).items():
                yield place, [m for m in messages if m.offset < ends[place]]
    finally:
        await consumer.stop()


class TopicLog:
    """A `Log` over all of one topic, for whoever follows it from its beginning."""

    holds_more = False

    def __init__(self, topic: Topic, cluster: Cluster) -> None:
        self._topic = topic
        self._cluster = cluster

    async def __aenter__(self) -> Self:
        topic = self._cluster.topic(self._topic.name)
        self._places = [TopicPartition(topic, p) for p in range(self._topic.partitions)]
        self._consumer = self._cluster.reader()
        self._consumer.assign(self._places)
        await self._consumer.start()
        await self._consumer.seek_to_beginning(*self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def poll(
        self,
        topics: Sequence[str],  # noqa: ARG002 (it has one topic)
        positions: Mapping[str, Position],  # noqa: ARG002 (and goes through it once)
        limit: int,
    ) -> tuple[list[Record], Ranges]:
        """See `Log.poll`; no records means that the end of the topic was reached."""
        while True:
            ends = await self._consumer.end_offsets(self._places)
            fetched = await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=limit)
            found = [self._records(messages) for messages in fetched.values()]
            if any(found):
                spans = {r[0].source: (r[0].offset, r[-1].offset + 1) for r in found if r}
                return [record for records in found for record in records], spans
            if all([await self._consumer.position(p) >= ends[p] for p in self._places]):
                return [], {}

    async def waiting(self, positions: Mapping[str, Position]) -> int:  # noqa: ARG002
        """See `Log.waiting`: a topic is followed to its end."""
        return 0

    async def reread(
        self,
        topics: Sequence[str],  # noqa: ARG002
        ranges: Ranges,
    ) -> list[Record]:
        """See `Log.reread`."""
        spans = {
            place: Span(*ranges[s]) for place in self._places if (s := _source(place)) in ranges
        }
        return self._records(await read_spans(self._cluster, spans))

    def _records(self, messages: Iterable[ConsumerRecord]) -> list[Record]:
        records = []
        for message in messages:
            try:
                records.append(record_of(message, self._topic.name, _source(message)))
            except Rejected as stray:
                log.warning("kafka.stray", topic=message.topic, reason=stray.message)
        return records

    def close(self) -> None:
        """See `Log.close`; the connection is closed with the block it was opened by."""


def _source(place: TopicPartition | ConsumerRecord) -> str:
    return f"{place.topic}/{place.partition}"
