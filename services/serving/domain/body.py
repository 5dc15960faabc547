"""A request's JSON: refused where two readers could disagree about it, and kept byte for byte."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from shared.errors import Invalid

MAX_DEPTH = 64

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object twice: as a tree to decide on, and as the raw bytes of each top-level member."""

    tree: JsonObject
    members: Mapping[str, msgspec.Raw]

    def raw(self, name: str) -> str:
        """The JSON text of a member as the client wrote it; empty when it is absent."""
        member = self.members.get(name)
        return "" if member is None else bytes(member).decode()

    def rewritten(self, changes: Mapping[str, object]) -> bytes:
        """The object with some members replaced or added; every other value keeps its bytes."""
        return msgspec.json.encode({**self.members, **changes})

    def changed(self, changes: JsonObject) -> "Body":
        """The object with some members replaced or added."""
        raws = {name: msgspec.Raw(orjson.dumps(value)) for name, value in changes.items()}
        return Body({**self.tree, **changes}, {**self.members, **raws})

    def without(self, names: frozenset[str]) -> "Body":
        """The object without some members."""
        return Body(
            {name: value for name, value in self.tree.items() if name not in names},
            {name: raw for name, raw in self.members.items() if name not in names},
        )


def parse_body(raw: bytes) -> Body:
    """The JSON object in a body.

    Raises `Invalid` for what is no JSON (NaN, infinities and lone surrogates are none), no object,
    deeper than `MAX_DEPTH`, or names a key twice: an upstream might read the other value.
    """
    try:
        tree = orjson.loads(raw)
        if not isinstance(tree, dict):
            raise Invalid(f"The body must be a JSON object, not {type(tree).__name__}.")
        keys = _count_keys(tree)
        if raw.count(b":") != keys and _keys_written(raw) != keys:
            _refuse_duplicates(raw)
        return Body(tree, _SLICER.decode(raw))
    except (orjson.JSONDecodeError, msgspec.DecodeError) as fault:
        raise Invalid(f"The body is not valid JSON: {fault}.", code="invalid_json") from fault


def _count_keys(tree: JsonObject) -> int:
    """The keys of every object in the tree, counted level by level so that depth needs no recursion."""
    keys = depth = 0
    level: Sequence[Any] = [tree]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Invalid(f"The body is nested deeper than {MAX_DEPTH} levels.", code="too_deep")
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                keys += len(node)
                below += [child for child in node.values() if type(child) in _CONTAINERS]
            else:
                below += [child for child in node if type(child) in _CONTAINERS]
        level = below
    return keys


def _keys_written(raw: bytes) -> int:
    """How many strings of a valid JSON text stand before a colon: its keys, doubled ones included."""
    return _STRING.findall(raw).count(b":")


def _refuse_duplicates(raw: bytes) -> None:
    json.loads(raw, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Invalid(
                f"The key {name[:80]!r} stands twice in one object.", code="duplicate_key"
            )
        seen.add(name)


_CONTAINERS = (dict, list)
_SLICER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"[ \t\r\n]*(:?)', re.DOTALL)
