"""Personal data in texts that hold JSON: found in what strings say, not in how they are written."""

import re

import orjson

from shared.pii import redact

MAX_DEPTH = 64

# What no pattern can look into: a data URL, or a long run of base64, as pictures and sound travel.
_DATA = re.compile(r"data:[^,\s]{0,256},.*|[A-Za-z0-9+/_-]{512,}={0,2}", re.DOTALL)
# No kind of personal data is a number of fewer digits.
_TELLING_NUMBER = 1_000_000


def redact_nested(text: str) -> str:
    """The text without personal data; when it is JSON, its keys, strings and numbers are each searched.

    Strings that are JSON themselves (the arguments of tool calls) are read the same way, and pictures
    and sound become `[DATA]`. The text is written anew only when something was found.

    >>> redact_nested('{"arguments": "{\\\\"to\\\\": \\\\"ann\\\\\\\\u0040example.org\\\\"}"}')
    '{"arguments":"{\\\\"to\\\\":\\\\"[EMAIL]\\\\"}"}'
    """
    return _text(text, 0)


def _text(text: str, depth: int) -> str:
    if _DATA.fullmatch(text):
        return "[DATA]"
    if text.lstrip()[:1] not in ("{", "["):
        return redact(text)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return redact(text)
    clean = _value(value, depth + 1)
    return text if clean == value else orjson.dumps(clean).decode()


def _value(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        return "[DEEP]"
    match value:
        case str():
            return _text(value, depth)
        case bool() | None:
            return value
        case int() | float():
            return _number(value)
        case list():
            return [_value(item, depth + 1) for item in value]
        case dict():
            return {redact(str(key)): _value(item, depth + 1) for key, item in value.items()}
        case _:
            raise TypeError(f"JSON holds no {type(value).__name__}")


def _number(value: float) -> float | str:
    if abs(value) < _TELLING_NUMBER:
        return value
    written = str(value)
    clean = redact(written)
    return value if clean == written else clean
