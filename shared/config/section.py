"""Reading a mapping of the file key by key: every fault is collected, and what nobody read is one too."""

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import TypeVar

from shared.config.document import Value
from shared.config.kinds import DECIMAL, FLAG, Kind
from shared.config.reading import Reading, suggestion

T = TypeVar("T")
D = TypeVar("D")

_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:(?:api)?key|secret|token|password|authorization|cookie)$", re.IGNORECASE
)
_TYPE_NAMES = {
    "map": "a mapping",
    "seq": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a time",
    "null": "nothing",
}


class Section:
    """A mapping of the file, or one that is absent; each reader answers a value of its type all the same."""

    def __init__(self, reading: Reading, value: Value | None) -> None:
        self.reading = reading
        self.value = value
        self._keys: dict[str, Value] = {}
        self._values: dict[str, Value] = {}
        self._read: set[str] = set()
        if value is not None and value.type != "map":
            reading.fault(value, f"expected a mapping, not {_type_name(value)}.")
        for key, entry in value.entries() if value is not None else ():
            if key.text in self._values:
                reading.fault(key, "this key is given twice.")
            self._keys.setdefault(key.text, key)
            self._values.setdefault(key.text, entry)

    def find(self, key: str) -> Value | None:
        """The value of the key, or None when it is absent or null."""
        self._read.add(key)
        value = self._values.get(key)
        return None if value is None or value.type == "null" else value

    def required(self, key: str, kind: Kind[T], instead: D) -> T | D:
        """The scalar of a key that must be there; `instead` once a fault is noted."""
        self.demand(key, kind.expected)
        return self.optional(key, kind, instead)

    def optional(self, key: str, kind: Kind[T], default: D) -> T | D:
        """The scalar of a key, or the default."""
        value = self.find(key)
        return default if value is None else self._scalar(value, kind, default)

    def many(self, key: str, kind: Kind[T], default: tuple[T, ...] = ()) -> tuple[T, ...]:
        """A list of scalars, or the default; the same scalar twice is a fault."""
        value = self.find(key)
        if value is None:
            return default
        if value.type != "seq":
            self.reading.fault(value, f"expected a list, not {_type_name(value)}.")
        found: dict[T, None] = {}
        for item in value.items():
            for one in self._checked(item, kind):
                if one in found:
                    self.reading.fault(item, f"'{item.text}' is listed twice.")
                found[one] = None
        return tuple(found)

    def table(self, key: str, names: Kind[str], kind: Kind[T]) -> dict[str, T]:
        """A mapping from names of one kind to scalars of another."""
        value = self.find(key)
        inner = None if value is None else Section(self.reading, value)
        if inner is None:
            return {}
        for name in inner._keys.values():
            self._checked(name, names)
        return {
            name: one for name in inner._keys for one in self._checked(inner._values[name], kind)
        }

    def name(self, key: str, kind: Kind[str], defines: str, within: str = "") -> str:
        """The name of this section, which it defines; `within` is what the name must be unique in."""
        name = self.required(key, kind, "")
        value = self.find(key)
        if name and value is not None:
            self.reading.define(defines, f"{within}{name}", value)
        return name

    def refer(self, key: str, kind: str) -> None:
        """The name, or every name in the list, must be defined somewhere in the file."""
        value = self.find(key)
        for one in (value.items() or (value,)) if value is not None else ():
            if one.type == "str":
                self.reading.refer(kind, one.text, one)

    def required_many(self, key: str, kind: Kind[T]) -> tuple[T, ...]:
        """A list of scalars that must be there and hold at least one."""
        self.demand(key, f"a list, each item {kind.expected}")
        value = self.find(key)
        if value is not None and value.type == "seq" and not value.items():
            self.reading.fault(value, "expected at least one item.")
        return self.many(key, kind)

    def required_secret(self, key: str, kind: Kind[str]) -> str:
        """A `${ENV}` reference that must be there."""
        self.demand(key, "a reference like ${NAME}")
        return self.secret(key, kind)

    def secret(self, key: str, kind: Kind[str] | None = None) -> str:
        """A `${ENV}` reference to a value of a kind, or the empty string when the key is absent."""
        value = self.find(key)
        if value is None:
            return ""
        reference = self.reading.reference(value)
        self._refuse_secret(value, self.reading.secrets.get(reference[2:-1], ""), kind)
        return reference

    def section(self, key: str) -> "Section":
        """The mapping under a key; the caller closes it."""
        return Section(self.reading, self.find(key))

    def sections(self, key: str) -> Iterator["Section"]:
        """The mappings of a list; what they do not read of themselves is a fault."""
        value = self.find(key)
        if value is None:
            return
        if value.type != "seq":
            self.reading.fault(value, f"expected a list, not {_type_name(value)}.")
        for item in value.items():
            section = Section(self.reading, item)
            yield section
            section.close()

    def options(self, *, besides: Collection[str] = ()) -> dict[str, object]:
        """Everything in the section but the keys named: secrets by their name stay references."""
        given = {key: self.find(key) for key in self._values if key not in besides}
        return {key: self._plain(key, value) for key, value in given.items() if value is not None}

    def plain(self, key: str) -> object:
        """What a key holds, as JSON could hold it; secrets by their name stay references."""
        value = self.find(key)
        return None if value is None else self._plain(key, value)

    def demand(self, key: str, expected: str) -> None:
        """Note a key that is absent, unless the section itself is no mapping, which is noted already."""
        if self.find(key) is None and self.value is not None and self.value.type == "map":
            path = f"{self.value.path}.{key}" if self.value.path else key
            self.reading.fault_at(self.value.line, f"{path}: is required: {expected}.")

    def fault(self, key: str, sentence: str) -> None:
        """Something is wrong with the value of the key."""
        value = self.find(key)
        if value is not None:
            self.reading.fault(value, sentence)

    def close(self) -> None:
        """Note every key that nothing has read."""
        for key, value in self._keys.items():
            if key not in self._read:
                hint = suggestion(key, self._read)
                self.reading.fault(value, f"there is no such key{hint}")

    def _scalar(self, value: Value, kind: Kind[T], default: D) -> T | D:
        found = self._checked(value, kind)
        return found[0] if found else default

    def _checked(self, value: Value, kind: Kind[T]) -> list[T]:
        """The scalar, or nothing once its fault is noted."""
        if "${" in value.text:
            self.reading.fault(value, "a ${NAME} reference stands only where a secret does.")
        elif value.type not in kind.types:
            self.reading.fault(value, f"expected {kind.expected}, not {_type_name(value)}.")
        else:
            try:
                return [kind.parse(value.text)]
            except ValueError as error:
                self.reading.fault(value, str(error))
        return []

    def _refuse_secret(self, value: Value, secret: str, kind: Kind[str] | None) -> None:
        """Note a secret of the wrong kind; what it holds is never in the sentence."""
        if not secret or kind is None:
            return
        try:
            kind.parse(secret)
        except ValueError:
            self.reading.fault(value, f"the variable does not hold {kind.expected}.")

    def _plain(self, key: str, value: Value) -> object:
        """An option as JSON could hold it."""
        match value.type:
            case "map":
                return Section(self.reading, value).options()
            case "seq":
                return [self._plain(key, item) for item in value.items()]
            case _ if _SECRET_NAME.search(key) or "${" in value.text:
                return self.reading.reference(value)
            case _:
                return self._plain_scalar(value)

    def _plain_scalar(self, value: Value) -> str | int | float | bool | None:
        if value.type in {"str", "timestamp"}:
            return value.text
        if value.type in {"int", "float"}:
            return _number(self._scalar(value, DECIMAL, Decimal(0)))
        if value.type != "null":
            return self._scalar(value, FLAG, default=False)
        return None


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _type_name(value: Value) -> str:
    return _TYPE_NAMES.get(value.type, f"the tag {value.type}")
