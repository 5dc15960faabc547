"""The dead letters in Kafka's `.dlq` topics."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from shared.clock import Clock, micros
from shared.errors import Rejected, Unavailable
from shared.ids import new_id
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.message import headers_of, record_of, stray_of
from shared.log.kafka.reading import Span, read_batches
from shared.log.letters import Letter
from shared.log.record import DAMAGED, Record
from shared.topics import ALL

PRODUCER = "replay"


class KafkaLetters:
    """See `Letters`."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock

    async def read(self, *, values: bool = True) -> Sequence[Letter]:
        """See `Letters.read`; what a relay has sent twice is listed once. Raises `Unavailable`."""
        spans = {
            TopicPartition(self._cluster.topic(topic.dead_letters), partition): Span()
            for topic in ALL
            for partition in range(topic.partitions)
        }
        found: list[Letter] = []
        last = Counter[str]()
        try:
            async for _, messages in read_batches(self._cluster, spans):
                read = self._letters(messages, last)
                found += read if values else (letter.without_value() for letter in read)
        except KafkaError as error:
            raise Unavailable(f"Kafka's dead letters cannot be read: {error!r}.") from error
        return found

    async def replay(self, letters: Sequence[Letter]) -> None:
        """See `Letters.replay`. Raises `Unavailable`: then a part of them may have been played."""
        records = self._records(letters)
        producer = self._cluster.producer("zstd")
        try:
            await producer.start()
            for record in records:
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

    def _letters(self, messages: Iterable[ConsumerRecord], last: Counter[str]) -> Iterator[Letter]:
        for message in messages:
            name = self._cluster.name(message.topic)
            source = f"{name}/{message.partition}"
            letter_id = f"{name}:{message.partition}:{message.offset}"
            try:
                record = record_of(message, name, source)
            except Rejected as fault:  # somebody else put it there
                headers = {DAMAGED: "1", "reason": fault.message}
                record = replace(stray_of(message, name, source), headers=headers)
            else:
                if record.seq <= last[record.lane]:
                    continue
                last[record.lane] = record.seq
            yield Letter(letter_id, record, len(record.value))

    def _records(self, letters: Sequence[Letter]) -> list[Record]:
        """The letters as records of a lane of this replay's own. Raises `Invalid` as `Letter.fact` does."""
        epoch, now_us = new_id(), micros(self._clock.now())
        seqs: Counter[tuple[str, int]] = Counter()
        records = []
        for letter in letters:
            fact = letter.fact()
            topic, partition = fact.topic.name, letter.record.partition
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
                    key=fact.key,
                    event_id=fact.event_id,
                    accepted_at_us=now_us,
                    value=fact.value,
                    headers=fact.headers,
                )
            )
        return records
