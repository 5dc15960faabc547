"""Framing without decoding: a fact's bytes, its position appended as protobuf fields, its length before it."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Protocol

CHUNK_BYTES = 7 * 1024 * 1024  # the size of insert that chDB takes fastest


class Placed(Protocol):
    """A fact's serialized value, and where the log holds it."""

    @property
    def value(self) -> bytes: ...
    @property
    def producer(self) -> str: ...
    @property
    def epoch(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def accepted_at_us(self) -> int: ...


def frames(facts: Sequence[Placed]) -> list[bytes]:
    """Each fact as one element of a length-delimited block.

    Serialized protobuf messages concatenate by merging (protobuf.dev, "Encoding": last one wins), so
    fields appended behind a message arrive as that message's fields, and nothing has to be decoded.
    What neighbours share, their lane and the time of their transaction, is encoded once.
    """
    lanes: dict[tuple[str, str, int], bytes] = {}
    times: dict[int, bytes] = {}
    framed = []
    for fact in facts:
        name, at_us = (fact.producer, fact.epoch, fact.partition), fact.accepted_at_us
        lane = lanes.get(name) or lanes.setdefault(name, _lane(*name))
        time = times.get(at_us) or times.setdefault(at_us, _ACCEPTED_AT_US + varint(at_us))
        place = lane + _SEQ + varint(fact.seq) + _OFFSET + varint(fact.offset) + time
        framed.append(varint(len(fact.value) + len(place)) + fact.value + place)
    return framed


def varint(number: int) -> bytes:
    """A non-negative integer in base 128, least significant group first.

    >>> varint(300).hex()
    'ac02'
    """
    # Almost all are this short, and the sink asks for three of them for each fact.
    if number < 1 << 7:
        return bytes((number,))
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    low = bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80))
    return low + varint(number >> 14)


def chunks(sizes: Sequence[int], aim: int = CHUNK_BYTES) -> Iterator[slice]:
    """Cut a sequence of frames into runs of about `aim` bytes, all much the same: a small rest costs an insert too.

    >>> [(part.start, part.stop) for part in chunks([3, 3, 3, 2, 1], aim=6)]
    [(0, 2), (2, 5)]
    """
    whole = sum(sizes)
    run = whole / max(1, round(whole / aim))
    start, filled = 0, 0.0
    for stop, size in enumerate(sizes, 1):
        filled += size
        if filled >= run or stop == len(sizes):
            yield slice(start, stop)
            start, filled = stop, filled - run


def token(table: str, schema: str, facts: Sequence[Placed], block: bytes) -> str:
    """The name by which a store recognises a block that it has: the same block, and no other, has it.

    ClickHouse compares tokens and not data, so a token that two blocks share loses the second. This
    one names the table, the schema, the first and the last position (with the producers' epochs, so
    that a log made anew is another) and the content.
    """
    first, last = facts[0], facts[-1]
    return ":".join(
        (
            table,
            _digest(schema.encode(), 8),
            f"{first.producer}/{first.epoch}/{first.partition}@{first.offset}#{first.seq}",
            f"{last.producer}/{last.epoch}/{last.partition}@{last.offset}#{last.seq}",
            str(len(facts)),
            _digest(block, 32),
        )
    )


def _lane(producer: str, epoch: str, partition: int) -> bytes:
    named = _PRODUCER + _text(producer) + _EPOCH + _text(epoch)
    return named + _PARTITION + varint(partition)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return varint(len(encoded)) + encoded


def _digest(content: bytes, length: int) -> str:
    return hashlib.sha256(content).hexdigest()[:length]


# The keys of the position's fields: their numbers are the same in every message (protos/leeway_pb/v1).
_VARINT, _BYTES = 0, 2  # protobuf wire types
_SEQ, _PARTITION, _OFFSET, _ACCEPTED_AT_US = (
    varint(number << 3 | _VARINT) for number in (1003, 1004, 1005, 1006)
)
_PRODUCER, _EPOCH = (varint(number << 3 | _BYTES) for number in (1001, 1002))
