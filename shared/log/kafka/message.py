"""A record as a Kafka message: CloudEvents in binary mode, and its place in its lane, as headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from aiokafka.structs import ConsumerRecord

from shared.clock import from_micros, micros
from shared.errors import Rejected
from shared.log.record import DeadLetter, Record

Headers = list[tuple[str, bytes]]

_OURS = frozenset(
    (
        *("producer", "epoch", "seq", "content-type"),
        *("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"),
    )
)

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order of its lane a message stands."""

    producer: str
    epoch: str
    seq: int


def headers_of(record: Record) -> Headers:
    """The headers of a record's message (CloudEvents 1.0, Kafka protocol binding, section 3.2)."""
    return [
        ("producer", record.producer.encode()),
        ("epoch", record.epoch.encode()),
        ("seq", b"%d" % record.seq),
        ("ce_specversion", b"1.0"),
        ("ce_id", record.event_id.encode()),
        ("ce_type", record.topic.encode()),
        ("ce_source", f"/leeway/{record.producer}".encode()),
        ("ce_time", _time(record.accepted_at_us)),
        ("content-type", b"application/protobuf"),
        *((name, value.encode()) for name, value in record.headers.items()),
    ]


def record_of(message: ConsumerRecord, topic: str, source: str) -> Record:
    """The record of a message. Raises `Rejected` when the message is not one of ours."""
    headers = dict(message.headers)
    try:
        return Record(
            source=source,
            offset=message.offset,
            topic=topic,
            partition=message.partition,
            producer=headers["producer"].decode(),
            epoch=headers["epoch"].decode(),
            seq=int(headers["seq"]),
            key=(message.key or b"").decode(),
            event_id=headers["ce_id"].decode(),
            accepted_at_us=_micros(headers["ce_time"]),
            value=message.value or b"",
            headers=_others(headers) if len(headers) > len(_OURS) else _NONE,
        )
    except (KeyError, ValueError, TypeError) as fault:
        raise Rejected(f"The message's headers are not those of a fact: {fault!r}.") from fault


def _others(headers: Mapping[str, bytes]) -> Mapping[str, str]:
    return {name: value.decode() for name, value in headers.items() if name not in _OURS}


# The facts of one transaction share its time, and most neighbours are of one.
@lru_cache(maxsize=256)
def _time(at_us: int) -> bytes:
    return from_micros(at_us).isoformat().encode()


@lru_cache(maxsize=256)
def _micros(time: bytes) -> int:
    return micros(datetime.fromisoformat(time.decode()))


def stray_of(message: ConsumerRecord, topic: str, source: str) -> Record:
    """What can be said of a message that somebody else put into a topic: a lane of its own, once."""
    return Record(
        source=source,
        offset=message.offset,
        topic=topic,
        partition=message.partition,
        producer="stray",
        epoch=source,
        seq=message.offset,
        key=(message.key or b"").decode(errors="replace"),
        event_id=f"{source}/{message.offset}",
        accepted_at_us=message.timestamp * 1000,
        value=message.value or b"",
    )


def dead_record(letter: DeadLetter, group: str, place: Place) -> Record:
    """A dead letter as a record of its dead-letter topic: the same bytes, and why."""
    record = letter.record
    return Record(
        source="",
        offset=0,
        topic=f"{record.topic}.dlq",
        partition=record.partition,
        producer=place.producer,
        epoch=place.epoch,
        seq=place.seq,
        key=record.key,
        event_id=record.event_id,
        accepted_at_us=record.accepted_at_us,
        value=record.value,
        headers={
            "group": group,
            "reason": letter.reason,
            "origin": f"{record.lane}#{record.seq}",
            "accepted_at_us": str(record.accepted_at_us),
        },
    )
