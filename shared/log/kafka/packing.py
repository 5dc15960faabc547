"""Records on their way to Kafka, as batches of one partition each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.log.kafka.message import headers_of
from shared.log.record import Record


def by_partition(records: Iterable[Record]) -> Mapping[tuple[str, int], Sequence[Record]]:
    """The records by topic and partition, in their order."""
    parts: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        parts[record.topic, record.partition].append(record)
    return parts


def packed(producer: AIOKafkaProducer, records: Sequence[Record]) -> Iterator[BatchBuilder]:
    """The records of one partition as batches that the producer sends whole, one after the other."""
    batch = producer.create_batch()
    for record in records:
        if not _added(batch, record):
            yield batch
            batch = producer.create_batch()
            _added(batch, record)
    yield batch


def _added(batch: BatchBuilder, record: Record) -> bool:
    """Whether the record was still taken; an empty batch takes any."""
    taken = batch.append(
        timestamp=record.accepted_at_us // 1000,
        key=record.key.encode(),
        value=record.value,
        headers=headers_of(record),
    )
    return taken is not None
