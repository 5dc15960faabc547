"""Identifiers that the client makes, so that sending the same thing twice stores it once."""

from __future__ import annotations

import os
import time
import uuid


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) as text: 48 bits of milliseconds, 12 bits within one, 62 random bits.

    It holds no state and no lock, so it may be called after a fork and inside a finalizer.
    """
    stamp = time.time_ns() * 4096 // 1_000_000
    random_bits = int.from_bytes(os.urandom(8), "big") >> 2
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random_bits
    return str(uuid.UUID(int=value))


def new_trace_id() -> str:
    """32 hexadecimal digits, as W3C Trace Context wants them."""
    return os.urandom(16).hex()


def new_span_id() -> str:
    """16 hexadecimal digits, as W3C Trace Context wants them."""
    return os.urandom(8).hex()
