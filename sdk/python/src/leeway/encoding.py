"""Any Python value as JSON: quickly when it is plain, with care when it is not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from uuid import UUID

_INT64 = range(-(2**63), 2**64)


@dataclass(frozen=True)
class Bounds:
    """How much of a value is told: levels of nesting, items of a collection, characters of a text."""

    depth: int = 60
    items: int = 1_000_000
    text: int = 4_000_000


WHOLE = Bounds()
GLANCE = Bounds(depth=8, items=200, text=16_384)


def encode(item: Mapping[str, object]) -> bytes:
    """An item as JSON in UTF-8. Values that JSON lacks are told as `plain` tells them.

    >>> encode({"at": datetime(2026, 1, 1, tzinfo=timezone.utc), "score": float("nan")})
    b'{"at":"2026-01-01T00:00:00+00:00","score":null}'
    """
    try:
        return _dumps(item)
    except (TypeError, ValueError, RecursionError):
        return _dumps(plain(item))


def glance(value: object) -> str:
    """The beginning of a value as text of bounded length: a string as it is, anything else as JSON."""
    seen = plain(value, GLANCE)
    text = seen if isinstance(seen, str) else _dumps(seen).decode()
    return text if len(text) <= GLANCE.text else f"{text[: GLANCE.text]}…"


def plain(value: object, bounds: Bounds = WHOLE, level: int = 0) -> object:
    """The value in JSON's own types. An object that is not known is told by its class, never by its
    `repr`, which may be slow, endless or secret.
    """
    if level > bounds.depth:
        return "…"
    if value is None or isinstance(value, (bool, str, int, float)):
        return _scalar(value, bounds)
    if isinstance(value, Mapping):
        pairs = islice(value.items(), bounds.items)
        return {_key(key): plain(inner, bounds, level + 1) for key, inner in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner, bounds, level + 1) for inner in islice(value, bounds.items)]
    return _object(value, bounds, level)


def moment(value: float | str | datetime) -> float | str:
    """A time as the wire wants it; a datetime without a zone is local time, as everywhere in Python."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    return value


def _dumps(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate is no Unicode text: it becomes a question mark.
    return text.encode("utf-8", "replace")


def _scalar(value: float | str | None, bounds: Bounds) -> object:
    if isinstance(value, Enum):
        return plain(value.value, bounds)
    if isinstance(value, str):
        return str(value) if len(value) <= bounds.text else f"{value[: bounds.text]}…"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and value not in _INT64:
        return str(value)
    return value


def _object(value: object, bounds: Bounds, level: int) -> object:
    if isinstance(value, Enum):
        return plain(value.value, bounds, level + 1)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return plain(fields, bounds, level + 1)
    return _foreign(value, bounds, level)


def _foreign(value: object, bounds: Bounds, level: int) -> object:
    """Objects of libraries that the SDK does not import: pydantic's models, numpy's arrays."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return plain(dump(mode="json", exclude_none=True), bounds, level + 1)
    tolist = getattr(value, "tolist", None)
    size = getattr(value, "size", None)
    if callable(tolist) and isinstance(size, int) and size <= bounds.items:
        return plain(tolist(), bounds, level + 1)
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(plain(key, GLANCE))
