"""Kept answers as bytes: MessagePack, with the vector as it is."""

from datetime import datetime
from decimal import Decimal

import msgspec

from services.serving.cache.port import Part, Saved


class _Part(msgspec.Struct, array_like=True, frozen=True):
    raw: bytes
    tree: bytes
    hidden: bool
    final: bool


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    parts: tuple[_Part, ...]
    saved_at: datetime
    cost_usd: Decimal | None
    subject: str
    ends_at: datetime


def encode(saved: Saved, ends_at: datetime) -> bytes:
    """An answer that is kept until then; what it is compared by is kept beside it."""
    parts = tuple(_Part(part.raw, part.tree, part.hidden, part.final) for part in saved.parts)
    told = _Saved(parts, saved.saved_at, saved.cost_usd, saved.subject, ends_at)
    return msgspec.msgpack.encode(told)


def decode(value: bytes, now: datetime) -> Saved | None:
    """The answer that was encoded; None when its time has passed, or another version wrote it."""
    try:
        told = _DECODER.decode(value)
    except msgspec.DecodeError:
        return None
    if told.ends_at <= now:
        return None
    parts = tuple(Part(part.raw, part.tree, part.hidden, part.final) for part in told.parts)
    return Saved(parts, told.saved_at, told.cost_usd, told.subject)


_DECODER = msgspec.msgpack.Decoder(_Saved)
