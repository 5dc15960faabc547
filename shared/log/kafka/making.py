"""Facts and dead letters of a group on their way to Kafka: numbered by the partition that makes them."""

from collections.abc import Iterable

from shared.log.kafka.message import Place, dead_record
from shared.log.kafka.stored import Stored
from shared.log.record import DeadLetter, Fact, Record


class Making:
    """Numbers what a partition number of a group makes; `made` is how far its lanes count afterwards."""

    def __init__(self, group: str, partition: int, stored: Stored) -> None:
        self.made = dict(stored.made)
        self._group = group
        self._producer = f"{group}.{partition}"
        self._epoch = stored.epoch

    def facts(self, facts: Iterable[Fact], now_us: int) -> list[Record]:
        """The facts as records that are accepted now."""
        records = []
        for fact in facts:
            partition = fact.topic.partition(fact.key)
            place = self._next(fact.topic.name, partition)
            records.append(
                Record(
                    source="",
                    offset=0,
                    topic=fact.topic.name,
                    partition=partition,
                    producer=place.producer,
                    epoch=place.epoch,
                    seq=place.seq,
                    key=fact.key,
                    event_id=fact.event_id,
                    accepted_at_us=now_us,
                    value=fact.value,
                    headers=fact.headers,
                )
            )
        return records

    def letters(self, letters: Iterable[DeadLetter]) -> list[Record]:
        """The dead letters as records of their dead-letter topics."""
        return [
            dead_record(
                letter,
                self._group,
                self._next(f"{letter.record.topic}.dlq", letter.record.partition),
            )
            for letter in letters
        ]

    def _next(self, topic: str, partition: int) -> Place:
        lane = f"{topic}/{partition}"
        self.made[lane] = self.made.get(lane, 0) + 1
        return Place(self._producer, self._epoch, self.made[lane])
