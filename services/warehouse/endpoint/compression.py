"""Bodies by Content-Encoding, both ways; what is unpacked is bounded before it is unpacked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cramjam

from services.warehouse.faults import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, SqlFault

MIN_COMPRESSED_BYTES = 1_024
_LIKELY_RATIO = 32


@dataclass(frozen=True, slots=True)
class _Codec:
    compress: Callable[[bytes], Any]
    decompress_into: Callable[[bytes, bytearray], int]


# In the order that we prefer them.
_CODECS = {
    "zstd": _Codec(cramjam.zstd.compress, cramjam.zstd.decompress_into),
    "lz4": _Codec(cramjam.lz4.compress, cramjam.lz4.decompress_into),
    "gzip": _Codec(cramjam.gzip.compress, cramjam.gzip.decompress_into),
    "deflate": _Codec(cramjam.zlib.compress, cramjam.zlib.decompress_into),
}


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding. Raises `SqlFault` when it is damaged, or larger than `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    codec = _CODECS.get(encoding)
    if codec is None:
        raise SqlFault(
            NOT_IMPLEMENTED, f"Content-Encoding {encoding}: expected {', '.join(_CODECS)}."
        )
    likely = min(limit, _LIKELY_RATIO * len(body) + MIN_COMPRESSED_BYTES)
    for size in sorted({likely, limit}):
        room = bytearray(size)
        try:
            written = codec.decompress_into(body, room)
        except cramjam.DecompressionError:
            continue
        return bytes(memoryview(room)[:written])
    raise SqlFault(
        CANNOT_DECOMPRESS, f"The {encoding} body is damaged, or unpacks to more than {limit} bytes."
    )


def pack(body: bytes, accepted: str) -> tuple[bytes, str]:
    """The body in an encoding that the client accepts, and that encoding's name; small bodies stay as they are."""
    offers = {offer.split(";")[0].strip() for offer in accepted.split(",")}
    name = next((name for name in _CODECS if name in offers), "")
    if not name or len(body) < MIN_COMPRESSED_BYTES:
        return body, ""
    return bytes(_CODECS[name].compress(body)), name
