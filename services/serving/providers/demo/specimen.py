"""A value that a JSON schema describes: what the demo model fills a tool call or a format with."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 8


def specimen(schema: Any, depth: int = 0) -> Any:
    """The plainest value of a schema: its constant, default, first choice, or its type's zero.

    >>> specimen({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}})
    {'city': 'demo', 'days': 0}
    """
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    for chosen in ("const", "default"):
        if chosen in schema:
            return schema[chosen]
    for choices in ("enum", "examples"):
        if isinstance(schema.get(choices), list) and schema[choices]:
            return schema[choices][0]
    for branches in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(branches), list) and schema[branches]:
            return specimen(schema[branches][0], depth + 1)
    return _of_type(schema, depth)


def _of_type(schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            properties = schema.get("properties")
            fields = properties.items() if isinstance(properties, dict) else ()
            return {name: specimen(inner, depth + 1) for name, inner in fields}
        case "array":
            item = specimen(schema.get("items"), depth + 1)
            return [item] if schema.get("minItems") else []
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "demo"
