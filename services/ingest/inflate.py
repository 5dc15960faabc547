"""Compressed bodies, inflated piece by piece, so that a small one cannot become a very large one."""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from shared.errors import Invalid

MAX_RATIO = 100
# Below this size a ratio says nothing: repetitive batches of spans do compress a hundredfold.
_RATIO_FREE_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


async def inflate(
    chunks: AsyncIterator[bytes], limit: int, hold: Callable[[int], Awaitable[None]]
) -> bytes:
    """The content of a gzip stream of one member or several (RFC 1952); `hold` is told its size as it grows.

    Raises `Invalid`: no gzip, cut short, larger than `limit` bytes or than `MAX_RATIO` times the
    compressed size (413).
    """
    inflater = _Inflater(limit)
    async for chunk in chunks:
        for size in inflater.feed(chunk):
            await hold(size)
    return inflater.whole()


class _Inflater:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._read = 0
        self._out = bytearray()
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[int]:
        """Inflate a piece, and then tell the size; again and again."""
        self._read += len(chunk)
        if self._read > self._limit:
            raise _too_large(f"The body is larger than {self._limit} bytes.")
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            self._begun = True
            self._grow(self._piece(chunk))
            yield len(self._out)
            chunk = self._member.unused_data or self._member.unconsumed_tail

    def whole(self) -> bytes:
        while self._begun and not self._member.eof:
            piece = self._piece(b"")
            if not piece:
                raise Invalid("The gzip body ends before its content does.", code="invalid_gzip")
            self._grow(piece)
        return bytes(self._out)

    def _piece(self, chunk: bytes) -> bytes:
        try:
            return self._member.decompress(chunk, _PIECE_BYTES)
        except zlib.error as fault:
            raise Invalid(f"The body is no gzip: {fault}.", code="invalid_gzip") from fault

    def _grow(self, piece: bytes) -> None:
        self._out += piece
        size = len(self._out)
        if size > self._limit:
            raise _too_large(f"The body inflates to more than {self._limit} bytes.")
        if size > _RATIO_FREE_BYTES and size > MAX_RATIO * self._read:
            raise _too_large(f"The body inflates to more than {MAX_RATIO} times its size.")


def _too_large(sentence: str) -> Invalid:
    return Invalid(sentence, code="body_too_large", status=413)
