"""Seals: two checksums beside each stored record, so that a bit which changed on the disk is seen and not believed.

SQLite has none of its own: it hands out whatever a page holds, as long as the page's structure is sound. The sum of
a record's place covers every column but its value. So when the value alone is damaged, it is still known whose it was
and which number it has in its lane; when the place is, nothing of the record is believed. CRC-32 finds every change
within 32 bits in a row, and all but one in four thousand million of the others.
"""

from zlib import crc32

DAMAGED_VALUE = "the value is damaged: it is not what its checksum says"
DAMAGED_PLACE = (
    "the record is damaged: its tenant, its id and its place are not what their checksum says"
)

DAMAGED_CALL = "the open call is damaged: it is not what its checksum says"


def place_sum(
    offset: int, partition: int, seq: int, accepted_at_us: int, *texts: bytes, epoch: bytes = b""
) -> int:
    """The sum of the columns that say where a record stands, whose it is and what it is called.

    `epoch` is that of its lane, and empty for the first of a file.

    >>> place_sum(1, 3, 1, 0, b"a", b"bc") == place_sum(1, 3, 1, 0, b"ab", b"c")
    False
    """
    numbers = f"{offset} {partition} {seq} {accepted_at_us}"
    return crc32(b"\0".join((numbers.encode(), *texts, *([epoch] if epoch else ()))))


def value_sum(value: bytes) -> int:
    """The sum of a record's value.

    >>> value_sum(b"leeway") == value_sum(b"leewax")
    False
    """
    return crc32(value)


def row_sum(*columns: bytes) -> int:
    """The sum of a row of few columns, such as a group's position.

    >>> row_sum(b"billing", b"12") == row_sum(b"billing1", b"2")
    False
    """
    return crc32(b"\0".join(columns))
