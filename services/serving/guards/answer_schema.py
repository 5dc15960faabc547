"""The schema of an answer: JSON that was asked for is JSON, and of the schema that was given."""

import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec
import orjson

from services.serving.domain.body import JsonObject
from services.serving.guards.options import read_options
from services.serving.guards.port import Opinion, Options
from shared.errors import Invalid

MAX_TOLD_FAULTS = 5
MAX_PLACE_CHARS = 120


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    schema: dict[str, Any] | None = None
    repair: bool = False


class AnswerSchema:
    """`json_schema`: the answer is JSON of the schema of the option `schema`, or else of the one that the
    request asks for (`response_format`, or `text.format` and `output_config.format`); where it asks for
    none there is nothing to object to.

    `repair`: the model is told what was wrong and asked once more. A schema is a stranger's: what it refers
    to is not fetched, and its patterns run in linear time; one that cannot be used is not held against the
    answer, unless it is the guard's own, which is refused when it is built.
    """

    def __init__(self, options: Options) -> None:
        read = read_options("json_schema", options, _Options)
        self.repair = read.repair
        self._own = None if read.schema is None else _own(read.schema)

    def review(self, asked: JsonObject, answer: str) -> Opinion | None:
        wanted = wanted_format(asked)
        if self._own is None and wanted is None:
            return None
        try:
            value = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return Opinion("no_json", 1.0, "the answer is no JSON")
        validator = self._own or _validator(_schema_in(wanted or {}))
        if validator is None:
            is_object = isinstance(value, dict)
            return None if is_object else Opinion("no_object", 1.0, "the answer is no JSON object")
        faults = [
            _told(fault)
            for fault, _ in zip(validator.iter_errors(value), range(MAX_TOLD_FAULTS), strict=False)
        ]
        return Opinion("no_match", 1.0, "; ".join(faults)) if faults else None


def wanted_format(asked: JsonObject) -> Mapping[str, Any] | None:
    """The format that a request asks for, in the protocol that it is of; None for free text."""
    text, output = asked.get("text"), asked.get("output_config")
    places = (
        asked.get("response_format"),
        text.get("format") if isinstance(text, dict) else None,
        output.get("format") if isinstance(output, dict) else None,
    )
    for place in places:
        if isinstance(place, dict) and place.get("type") in ("json_object", "json_schema"):
            return place
    return None


def _schema_in(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = wanted.get("json_schema", wanted)
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return schema if isinstance(schema, dict) else None


def _own(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    validator = _validator(schema)
    if validator is None:
        raise Invalid("The schema of the guardrail 'json_schema' cannot be used.")
    return validator


def _validator(schema: Mapping[str, Any] | None) -> jsonschema_rs.Validator | None:
    if schema is None:
        return None
    try:
        return jsonschema_rs.validator_for(
            dict(schema), offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except ValueError:
        return None


def _told(fault: jsonschema_rs.ValidationError) -> str:
    """Which rule of the schema failed: the fault's own words, and the answer's keys, would quote the answer."""
    place = "/".join(str(step) for step in fault.schema_path)
    return "fails /" + _UNPRINTABLE.sub("?", place)[:MAX_PLACE_CHARS]


_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
