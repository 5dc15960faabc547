"""Framing without decoding: a fact's bytes, its position appended as protobuf fields, its length before it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Field numbers of the position, the same in every message (protos/leeway_pb/v1).
_PRODUCER, _EPOCH, _SEQ, _PARTITION, _OFFSET, _ACCEPTED_AT_US = range(1001, 1007)
_VARINT, _BYTES = 0, 2  # protobuf wire types

CHUNK_BYTES = 7 * 1024 * 1024  # the size of insert that chDB takes fastest


@dataclass(frozen=True, slots=True)
class Placed:
    """A fact's serialized value, and where the log holds it."""

    value: bytes
    producer: str
    epoch: str
    seq: int
    partition: int
    offset: int
    accepted_at_us: int


def frame(fact: Placed) -> bytes:
    """The fact as one element of a length-delimited block.

    Serialized protobuf messages concatenate by merging (protobuf.dev, "Encoding": last one wins), so
    fields appended behind a message arrive as that message's fields, and nothing has to be decoded.

    >>> frame(Placed(b"", "p", "e", 1, 0, 0, 0)).hex()
    '14ca3e0170d23e0165d83e01e03e00e83e00f03e00'
    """
    message = b"".join(
        (
            fact.value,
            _text(_PRODUCER, fact.producer),
            _text(_EPOCH, fact.epoch),
            _number(_SEQ, fact.seq),
            _number(_PARTITION, fact.partition),
            _number(_OFFSET, fact.offset),
            _number(_ACCEPTED_AT_US, fact.accepted_at_us),
        )
    )
    return varint(len(message)) + message


def varint(number: int) -> bytes:
    """A non-negative integer in base 128, least significant group first.

    >>> varint(300).hex()
    'ac02'
    """
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def chunks(sizes: Sequence[int], limit: int = CHUNK_BYTES) -> Iterator[slice]:
    """Cut a sequence of frames into runs of at most `limit` bytes, or of one frame that is larger.

    >>> [(part.start, part.stop) for part in chunks([3, 3, 3, 9, 1], limit=6)]
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    start = filled = 0
    for index, size in enumerate(sizes):
        if index > start and filled + size > limit:
            yield slice(start, index)
            start, filled = index, 0
        filled += size
    if sizes:
        yield slice(start, len(sizes))


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


def _digest(content: bytes, length: int) -> str:
    return hashlib.sha256(content).hexdigest()[:length]


def _text(field: int, value: str) -> bytes:
    encoded = value.encode()
    return varint(field << 3 | _BYTES) + varint(len(encoded)) + encoded


def _number(field: int, value: int) -> bytes:
    return varint(field << 3 | _VARINT) + varint(value)
