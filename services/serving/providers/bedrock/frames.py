"""AWS's binary event stream: messages of headers and a payload, each with two checksums.

A message is its length, the length of its headers, the CRC-32 of both, the headers, the payload, and the
CRC-32 of everything before (smithy.io, "Amazon Event Stream Specification"). All integers are big-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_LEAST = _PRELUDE.size + _CRC.size

# A header's value by its type: of these many bytes, or as many as the two bytes before it say.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class BrokenFrame(Exception):
    """The bytes are no event stream: a checksum or a length is wrong."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `headers` holds those that are texts."""

    headers: dict[str, str]
    payload: bytes


class FrameSplitter:
    """Cuts a byte stream, however it is chunked, into whole messages of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that the chunk completes. Raises `BrokenFrame` after those that were whole."""
        self._kept += chunk
        while len(self._kept) >= _LEAST:
            length, headers_length, prelude_crc = _PRELUDE.unpack_from(self._kept)
            if crc32(self._kept[: _PRELUDE.size - _CRC.size]) != prelude_crc:
                raise BrokenFrame("the checksum of a prelude is wrong")
            if not _LEAST + headers_length <= length <= self._limit:
                raise BrokenFrame(f"a message says that it is {length} bytes long")
            if len(self._kept) < length:
                return
            frame = bytes(self._kept[:length])
            del self._kept[:length]
            yield _message(frame, headers_length)


def _message(frame: bytes, headers_length: int) -> Message:
    (crc,) = _CRC.unpack_from(frame, len(frame) - _CRC.size)
    if crc32(frame[: -_CRC.size]) != crc:
        raise BrokenFrame("the checksum of a message is wrong")
    end = _PRELUDE.size + headers_length
    try:
        headers = dict(_texts(frame[_PRELUDE.size : end]))
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as fault:
        raise BrokenFrame("a message has broken headers") from fault
    return Message(headers, frame[end : -_CRC.size])


def _texts(headers: bytes) -> Iterator[tuple[str, str]]:
    """The headers that are texts."""
    at = 0
    while at < len(headers):
        name, at = _slice(headers, at + 1, headers[at])
        kind = headers[at]
        if kind in (_BYTES, _STRING):
            (size,) = struct.unpack_from("!H", headers, at + 1)
            value, at = _slice(headers, at + 3, size)
            if kind == _STRING:
                yield name.decode(), value.decode()
        else:
            _, at = _slice(headers, at + 1, _FIXED[kind])


def _slice(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    """So many bytes, and where they end."""
    end = start + size
    if end > len(data):
        raise IndexError(end)
    return data[start:end], end
