"""Records on their way to Kafka, as batches of one partition each."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from shared.log.kafka.cluster import BATCH_BYTES
from shared.log.kafka.message import headers_of
from shared.log.record import Record
from shared.topics import BY_NAME

_CODECS = {"": 0, "zstd": DefaultRecordBatch.CODEC_ZSTD}


def by_partition(records: Iterable[Record]) -> Mapping[tuple[str, int], Sequence[Record]]:
    """The records by topic and partition, in their order."""
    parts: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        parts[record.topic, record.partition].append(record)
    return parts


def compression(topic: str) -> str:
    """How a topic is packed; its dead letters are packed the same."""
    return BY_NAME[topic.removesuffix(".dlq")].compression


def batch_in_transaction(topic: str) -> BatchBuilder:
    """An empty batch, packed as its topic says: those that a producer makes are all packed alike, and a
    transaction has one producer."""
    return BatchBuilder(BATCH_BYTES, _CODECS[compression(topic)], is_transactional=True)


def packed(empty: Callable[[], BatchBuilder], records: Sequence[Record]) -> Iterator[BatchBuilder]:
    """The records of one partition as batches that a producer sends whole, one after the other."""
    batch = empty()
    for record in records:
        if not _added(batch, record):
            yield batch
            batch = empty()
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
