"""A segment: a file that begins with a magic and holds one checksummed record per item.

A record is `length u32, crc32 u32, lane u8, payload`, big-endian; the checksum is over lane and payload.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from leeway.items import Item, Lane

MAGIC = b"leeway1\n"

_HEADER = struct.Struct(">IIB")
_LANES = {int(lane): lane for lane in Lane}


@dataclass(frozen=True)
class Contents:
    """What a segment holds: its items, records that are damaged, and whether its tail is torn off."""

    items: Sequence[Item]
    damaged: int = 0
    torn: bool = False


def pack(items: Sequence[Item]) -> bytes:
    """The items as records."""
    return b"".join(_record(item) for item in items)


def unpack(data: bytes) -> Contents:
    """The items in a segment's bytes, up to where they end or are torn off by a kill.

    >>> unpack(MAGIC + pack([Item(Lane.SPANS, b"{}")]) + b"torn").torn
    True
    """
    if not data.startswith(MAGIC):
        return Contents(items=(), torn=bool(data))
    items: list[Item] = []
    damaged, place = 0, len(MAGIC)
    while place + _HEADER.size <= len(data):
        length, checksum, code = _HEADER.unpack_from(data, place)
        begin = place + _HEADER.size
        if begin + length > len(data):
            break
        payload = data[begin : begin + length]
        place = begin + length
        if code in _LANES and _checksum(code, payload) == checksum:
            items.append(Item(_LANES[code], payload))
        else:
            damaged += 1
    return Contents(items, damaged, torn=place < len(data))


def _record(item: Item) -> bytes:
    checksum = _checksum(item.lane, item.payload)
    return _HEADER.pack(len(item.payload), checksum, item.lane) + item.payload


def _checksum(code: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes((code,))))
