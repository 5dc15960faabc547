"""Identifiers: UUIDv7 (RFC 9562), ordered by time, strictly increasing within a process."""

import hashlib
import os
import threading
import time
import uuid


class _Ticker:
    """The last 60-bit stamp given in this process: 48 bits of milliseconds, 12 bits within one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        stamp = time.time_ns() * 4096 // 1_000_000
        with self._lock:
            self._last = max(stamp, self._last + 1)
            return self._last


def new_id() -> str:
    """A new UUIDv7 as text; later calls in one process sort after earlier ones.

    48 bits of milliseconds, then 12 bits that count within the millisecond (RFC 9562 section 6.2,
    method 3: sub-millisecond precision, bumped when the clock has not moved), then 62 random bits.
    """
    stamp = _TICKER.next()
    random_bits = int.from_bytes(os.urandom(8), "big") >> 2
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random_bits
    return str(uuid.UUID(int=value))


def derived_id(*parts: str) -> str:
    """The same UUID (version 5, RFC 9562) for the same parts: the id of an effect that may be made twice.

    >>> derived_id("usage", "acme") == str(uuid.uuid5(_NAMESPACE, "usage\\x1facme"))
    True
    """
    # As `uuid.uuid5` makes it, in a third of the time: every effect asks for one.
    name = _NAMESPACE.bytes + "\x1f".join(parts).encode()
    digest = bytearray(hashlib.sha1(name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in the canonical 36-character form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except (ValueError, AttributeError):
        return False


_TICKER = _Ticker()
_NAMESPACE = uuid.UUID("6b1f7a52-54f5-5a0a-9d0b-1d7f3c1f0a11")
