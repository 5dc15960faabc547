"""Untyped JSON objects, read field by field: what is wrong is collected as faults, never raised."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import orjson

from shared.ids import is_uuid

MAX_NAME = 256
MAX_TEXT = 2_000_000
MAX_DEPTH = 64
MAX_TAGS = 64
MAX_VALUES = 1_000
MAX_FLOAT32 = 3.4e38
MAX_COORDINATE = 1e6  # of a vector: lengths and covariances of longer ones leave the 32-bit numbers

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")
_INT64 = range(-(2**63), 2**64)


class Fields:
    """One JSON object being read. Every reader answers a value of its type, and adds to `faults`.

    `path` is put before a field's name in a fault; fields that nobody asked for are `ignored`.

    >>> item = Fields({"model": 7, "colour": "red"})
    >>> item.text("model"), item.faults, item.ignored
    ('', ['model: expected a string, got a number'], ('colour',))

    What was read is `said`, in one form however it was told:

    >>> item = Fields({"score": 1, "label": "", "colour": "red"})
    >>> item.number("score"), item.text("label"), item.said
    (1.0, '', {'score': 1.0})
    """

    def __init__(
        self, item: Mapping[str, object], faults: list[str] | None = None, path: str = ""
    ) -> None:
        self.faults: list[str] = [] if faults is None else faults
        self._item = item
        self._path = path
        self._read: dict[str, object] = {}
        self._children: dict[str, Fields] = {}

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the fields that no reader asked for, with those of the objects inside."""
        own = (self._path + shown(str(key)) for key in self._item if key not in self._read)
        inner = (name for child in self._children.values() for name in child.ignored)
        return (*own, *inner)

    @property
    def said(self) -> dict[str, object]:
        """What readers were asked for and found, without what is empty: JSON, and times in UTC."""
        inner = {name: child.said for name, child in self._children.items()}
        read = self._read | inner if inner else self._read
        # A number is said even when it is 0; false is what a flag is without being said.
        return {
            name: value
            for name, value in read.items()
            if value or (value == 0 and value is not False)
        }

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._item.get(name) is not None

    def raw(self, name: str) -> object:
        """The field as it is; None when it is absent."""
        value = self._read[name] = self._item.get(name)
        return value

    def fault(self, name: str, sentence: str) -> None:
        """Add a fault of the field."""
        self.faults.append(f"{self._path}{name}: {sentence}")

    def text(self, name: str, *, limit: int = MAX_NAME, required: bool = False) -> str:
        """A string of at most `limit` characters; the empty string when it is absent or wrong."""
        value = self.raw(name)
        if value is None or value == "":
            if required:
                self.fault(name, "is required")
            return ""
        flaw = _text_flaw(value, limit)
        if flaw is not None:
            self.fault(name, flaw)
            return ""
        return str(value)

    def choice(self, name: str, choices: Sequence[str], default: str = "") -> str:
        """One of a few strings; without a default the field is required."""
        value = self.text(name, required=not default) or default
        if value and value not in choices:
            self.fault(name, f"expected one of {', '.join(choices)}, got {shown(value)!r}")
            return default
        return value

    def uuid(self, name: str) -> str:
        """A UUID in lower case; the empty string when it is absent or wrong."""
        value = self.text(name)
        if value and not is_uuid(value):
            self.fault(name, f"expected a UUID of 36 characters, got {shown(value)!r}")
            return ""
        read = self._read[name] = value.lower()
        return read

    def number(self, name: str, *, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A finite number within the bounds."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(name, f"expected a number, got {kind_of(value)}")
            return None
        if not _finite(value):
            self.fault(name, "expected a finite number")
            return None
        if not low <= value <= high:
            self.fault(name, f"expected a number from {low:g} to {high:g}, got {value:g}")
            return None
        read = self._read[name] = float(value)
        return read

    def count(self, name: str, *, high: int = 2**32 - 1) -> int | None:
        """A whole number from 0 to `high`."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            self.fault(name, f"expected a whole number from 0 to {high}")
            return None
        return value

    def flag(self, name: str) -> bool:
        """A boolean; false when it is absent or wrong."""
        value = self.raw(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, f"expected true or false, got {kind_of(value)}")
            return False
        return bool(value)

    def time(self, name: str, *, required: bool = False) -> datetime | None:
        """An aware time, in UTC: RFC 3339 with an offset, or seconds since the Unix epoch."""
        value = self.raw(name)
        if value is None:
            if required:
                self.fault(name, "is required")
            return None
        read = _time(value)
        if isinstance(read, str):
            self.fault(name, read)
            return None
        self._read[name] = read
        return read

    def tags(self, name: str) -> dict[str, str]:
        """Pairs of strings."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or len(value) > MAX_TAGS:
            self.fault(name, f"expected an object of at most {MAX_TAGS} strings")
            return {}
        for key, text in value.items():
            flaw = _text_flaw(key, MAX_NAME) or _text_flaw(text, MAX_NAME)
            if flaw is not None:
                self.fault(f"{name}.{shown(str(key))}", flaw)
        return {key: text for key, text in value.items() if isinstance(text, str)}

    def texts(self, name: str, *, at_most: int = MAX_VALUES) -> tuple[str, ...]:
        """A list of non-empty names."""
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > at_most:
            self.fault(name, f"expected a list of at most {at_most} strings")
            return ()
        for index, text in enumerate(value):
            flaw = _text_flaw(text, MAX_NAME) or (None if text else "is empty")
            if flaw is not None:
                self.fault(f"{name}[{index}]", flaw)
        return tuple(text for text in value if isinstance(text, str))

    def numbers(
        self, name: str, *, at_most: int, largest: float = MAX_FLOAT32
    ) -> tuple[float, ...]:
        """A list of finite numbers from -`largest` to `largest`, which fit 32-bit floats."""
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > at_most:
            self.fault(name, f"expected a list of at most {at_most} numbers")
            return ()
        flaws = ((index, _number_flaw(item, largest)) for index, item in enumerate(value))
        index, flaw = next(((index, flaw) for index, flaw in flaws if flaw), (0, None))
        if flaw is not None:
            self.fault(f"{name}[{index}]", flaw)
            return ()
        read = self._read[name] = tuple(float(item) for item in value)
        return read

    def child(self, name: str) -> "Fields":
        """The object in a field, read the same way; an empty one when it is absent or wrong."""
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            self.fault(name, f"expected an object, got {kind_of(value)}")
            value = None
        child = Fields(value or {}, self.faults, f"{self._path}{name}.")
        self._children[name] = child
        return child

    def json(self, name: str, types: type | tuple[type, ...] = dict) -> str:
        """A JSON value of one of the types, as text; the empty string when it is absent or wrong."""
        value = self.raw(name)
        if value is None:
            return ""
        if not isinstance(value, types):
            wanted = types if isinstance(types, tuple) else (types,)
            expected = " or ".join(_TYPE_NAMES[one] for one in wanted)
            self.fault(name, f"expected {expected}, got {kind_of(value)}")
            return ""
        return self.encoded(name, value)

    def encoded(self, name: str, value: object) -> str:
        """A JSON value as text, when it can be told in JSON and is not too long."""
        flaw = json_flaw(value)
        text = "" if flaw else orjson.dumps(value).decode()
        if len(text) > MAX_TEXT:
            flaw = f"is longer than {MAX_TEXT} characters"
        if flaw is None:
            return text
        self.fault(name, flaw)
        return ""


def json_flaw(value: object) -> str | None:
    """Why a value cannot be told in JSON: too deep, not finite, not Unicode; None when it can."""
    level: Collection[object] = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return None
        flaw = next(filter(None, map(_leaf_flaw, level)), None)
        if flaw is not None:
            return flaw
        level = [inner for outer in level for inner in _inside(outer)]
    return f"is nested deeper than {MAX_DEPTH} levels" if level else None


def kind_of(value: object) -> str:
    """A JSON value's type, in words."""
    return next((name for kind, name in _TYPE_NAMES.items() if isinstance(value, kind)), "null")


def shown(text: str) -> str:
    """The beginning of a caller's text, fit to be said back."""
    return text[:64].encode("utf-8", "replace").decode()


def _text_flaw(value: object, limit: int) -> str | None:
    if not isinstance(value, str):
        return f"expected a string, got {kind_of(value)}"
    if len(value) > limit:
        return f"is longer than {limit} characters"
    return None if _encodable(value) else "holds a lone surrogate, which is no Unicode text"


def _leaf_flaw(value: object) -> str | None:
    if isinstance(value, str):
        return None if _encodable(value) else "holds a lone surrogate, which is no Unicode text"
    if isinstance(value, float) and not math.isfinite(value):
        return "holds a number that is not finite"
    if isinstance(value, int) and value not in _INT64:
        return "holds a whole number of more than 64 bits"
    return None


def _inside(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else ()


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _number_flaw(value: object, largest: float) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and -largest <= value <= largest:  # type: ignore[operator]
        return None
    if not number or not _finite(value):  # type: ignore[arg-type]
        return "expected a finite number"
    return f"expected a number from {-largest:g} to {largest:g}, got {value:g}"


def _time(value: object) -> datetime | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return f"expected a time, got {kind_of(value)}"
    at = _parsed(value) if isinstance(value, str) else _since_epoch(value)
    if at is None:
        return (
            "expected an RFC 3339 time with an offset, or seconds since the Unix epoch,"
            f" got {shown(str(value)[:64])!r}"
        )
    return at if _EARLIEST <= at < _LATEST else "lies outside of the years 1970 to 2199"


def _parsed(value: str) -> datetime | None:
    if not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _since_epoch(seconds: float) -> datetime | None:
    # A value in the range of milliseconds would be a year beyond 33658: refused as out of range.
    try:
        return _EARLIEST + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None


_TYPE_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    str: "a string",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
