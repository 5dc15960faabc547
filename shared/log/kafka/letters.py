"""The dead letters in Kafka's `.dlq` topics."""

from collections import Counter
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.clock import Clock, micros
from shared.errors import Unavailable
from shared.ids import new_id
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import headers_of, record_of
from shared.log.kafka.reading import Span, read_spans
from shared.log.letters import Letter
from shared.log.record import ONLY_FOR, Record
from shared.topics import ALL

PRODUCER = "replay"


class KafkaLetters:
    """See `Letters`."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock

    async def read(self) -> Sequence[Letter]:
        """See `Letters.read`. Raises `Unavailable`."""
        spans = {
            TopicPartition(self._cluster.topic(topic.dead_letters), partition): Span()
            for topic in ALL
            for partition in range(topic.partitions)
        }
        try:
            messages = await read_spans(self._cluster, spans)
        except KafkaError as error:
            raise Unavailable(f"Kafka's dead letters cannot be read: {error!r}.") from error
        return [
            Letter(
                f"{name}:{message.partition}:{message.offset}",
                record_of(message, name, f"{name}/{message.partition}"),
            )
            for message in messages
            for name in [self._cluster.name(message.topic)]
        ]

    async def replay(self, letters: Sequence[Letter]) -> None:
        """See `Letters.replay`. Raises `Unavailable`: then a part of them may have been played."""
        producer = self._cluster.producer("zstd")
        try:
            await producer.start()
            for record in self._records(letters):
                await producer.send_and_wait(
                    self._cluster.topic(record.topic),
                    record.value,
                    record.key.encode(),
                    record.partition,
                    headers=headers_of(record),
                )
        except KafkaError as error:
            raise Unavailable(f"Kafka did not take every letter: {error!r}.") from error
        finally:
            await producer.stop()

    def _records(self, letters: Sequence[Letter]) -> list[Record]:
        """The letters as records of a lane of this replay's own."""
        epoch, now_us = new_id(), micros(self._clock.now())
        seqs: Counter[tuple[str, int]] = Counter()
        records = []
        for letter in letters:
            topic, partition = letter.topic.name, letter.record.partition
            seqs[topic, partition] += 1
            records.append(
                Record(
                    source="",
                    offset=0,
                    topic=topic,
                    partition=partition,
                    producer=PRODUCER,
                    epoch=epoch,
                    seq=seqs[topic, partition],
                    key=letter.record.key,
                    event_id=letter.record.event_id,
                    accepted_at_us=now_us,
                    value=letter.record.value,
                    headers={ONLY_FOR: letter.group},
                )
            )
        return records
