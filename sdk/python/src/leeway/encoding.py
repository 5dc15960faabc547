"""Any Python value as JSON: quickly when it is plain, with care when it is not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar
from uuid import UUID

T = TypeVar("T")

_INT64 = range(-(2**63), 2**64)
_MORE = "…"


@dataclass(frozen=True)
class Bounds:
    """How much of a value is told, all in all: levels of nesting, values, and characters of text."""

    depth: int = 60
    values: int = 200_000
    text: int = 4_000_000


WHOLE = Bounds()
GLANCE = Bounds(depth=8, values=500, text=16_384)


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
    return _shortened(text, GLANCE.text)


def plain(value: object, bounds: Bounds = WHOLE) -> object:
    """The value in JSON's own types, as far as the bounds reach. An object that is not known is told
    by its class, never by its `repr`, which may be slow, endless or secret.
    """
    return _Teller(bounds).tell(value, 0)


class Excerpt:
    """The beginning of what comes piece by piece: pieces of text are put together, others listed."""

    def __init__(self) -> None:
        self._pieces: list[object] = []
        self._size = 0

    def add(self, value: object) -> None:
        """Take a piece, unless there are enough. It is told at once, and not kept alive."""
        if self._size < GLANCE.text and len(self._pieces) < GLANCE.values:
            self._pieces.append(plain(value, GLANCE))
            self._size += len(glance(self._pieces[-1]))

    def text(self) -> str:
        """What was taken; the empty string when nothing was."""
        if all(isinstance(piece, str) for piece in self._pieces):
            return _shortened("".join(map(str, self._pieces)), GLANCE.text)
        return glance(self._pieces)


def moment(value: float | str | datetime) -> float | str:
    """A time as the wire wants it; a datetime without a zone is local time, as everywhere in Python."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    return value


def _dumps(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate is no Unicode text: it becomes a question mark.
    return text.encode("utf-8", "replace")


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}{_MORE}"


class _Teller:
    """One walk through a value, with what is left of its bounds: cycles and giants end it as well."""

    def __init__(self, bounds: Bounds) -> None:
        self._depth = bounds.depth
        self._values = bounds.values
        self._text = bounds.text

    def tell(self, value: object, level: int) -> object:
        self._values -= 1
        if level > self._depth or self._values < 0:
            return _MORE
        if isinstance(value, Enum):
            return self.tell(value.value, level + 1)
        if value is None or isinstance(value, (bool, int, float, str)):
            return self._told_text(value) if isinstance(value, str) else _number(value)
        if isinstance(value, Mapping):
            return self._told_mapping(value, level)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.tell(inner, level + 1) for inner in self._affordable(value)]
        return self._told_object(value, level)

    def _told_text(self, text: str) -> str:
        shown = _shortened(str(text), max(self._text, 0))
        self._text -= len(shown)
        return shown

    def _told_mapping(self, value: Mapping[Any, Any], level: int) -> object:
        pairs = self._affordable(value.items())
        return {self._key(key): self.tell(inner, level + 1) for key, inner in pairs}

    def _affordable(self, values: Iterable[T]) -> Iterator[T]:
        """The values as long as the bounds reach: a giant is not walked to its end."""
        for value in values:
            yield value
            if self._values <= 0 or self._text <= 0:
                return

    def _told_object(self, value: object, level: int) -> object:
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        if isinstance(value, (Decimal, UUID, PurePath)):
            return str(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"<{len(value)} bytes>"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
            return {name: self.tell(inner, level + 1) for name, inner in self._affordable(fields)}
        return self._told_foreign(value, level)

    def _told_foreign(self, value: object, level: int) -> object:
        """Objects of libraries that the SDK does not import: pydantic's models, numpy's arrays."""
        dump = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return self.tell(dump(mode="json", exclude_none=True), level + 1)
        tolist = getattr(value, "tolist", None)
        size = getattr(value, "size", None)
        if callable(tolist) and isinstance(size, int) and size <= self._values:
            return self.tell(tolist(), level + 1)
        return f"<{type(value).__module__}.{type(value).__qualname__}>"

    def _key(self, key: object) -> str:
        return key if isinstance(key, str) else str(plain(key, GLANCE))


def _number(value: float | None) -> object:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and value not in _INT64:
        return str(value)
    return value
