"""JSON valid: whether an answer that was asked for in JSON is JSON, of the schema that was given."""

import re
from collections.abc import Mapping

import jsonschema_rs
import orjson

from services.evaluation.domain import Interaction, Judgement
from shared.pii.rules import Kind

_MAX_TOLD_ERRORS = 3
_REDACTION = re.compile(rf"\[(?:{'|'.join(Kind)})\]")


class JsonValid:
    """`value` is 1 for a valid answer.

    Abstains when no JSON was asked for, when the schema is none, and on an empty answer.

    Schemas are untrusted: a reference to another document is not fetched, and patterns are matched
    in linear time (a schema with look-around in a pattern is abstained from).
    """

    name = "json_valid"
    version = "2"

    def judge(self, interaction: Interaction) -> Judgement | None:
        wanted = _wanted_format(interaction.options)
        if wanted is None or interaction.calls_tools or not interaction.output_text.strip():
            return None
        try:
            value = orjson.loads(interaction.output_text)
        except orjson.JSONDecodeError:
            return _no_json(interaction)
        schema = _schema(wanted)
        if schema is None:
            is_object = isinstance(value, dict)
            return Judgement(float(is_object), "valid" if is_object else "no_object", is_object)
        return _against(schema, value)


def _no_json(interaction: Interaction) -> Judgement | None:
    # A number that was redacted leaves something behind that is no JSON: the model did not do that.
    if interaction.redacted and _REDACTION.search(interaction.output_text):
        return None
    return Judgement(0.0, "no_json", passed=False)


def _against(schema: Mapping[str, object], value: object) -> Judgement | None:
    try:
        validator = jsonschema_rs.validator_for(
            dict(schema), offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
        errors = list(validator.iter_errors(value))
    except ValueError:
        return None
    if not errors:
        return Judgement(1.0, "valid", passed=True)
    told = "; ".join(_told(error) for error in errors[:_MAX_TOLD_ERRORS])
    return Judgement(0.0, "no_match", passed=False, explanation=told)


def _told(error: jsonschema_rs.ValidationError) -> str:
    """Where in the schema it went wrong: the error's own message would quote the answer."""
    return "fails /" + "/".join(str(step) for step in error.schema_path)[:200]


def _wanted_format(options: Mapping[str, object]) -> Mapping[str, object] | None:
    """The format asked for: `response_format`, or `text.format` of the Responses API."""
    text = options.get("text")
    wanted = options.get("response_format") or (
        text.get("format") if isinstance(text, dict) else None
    )
    is_json = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
    return wanted if isinstance(wanted, dict) and is_json else None


def _schema(wanted: Mapping[str, object]) -> Mapping[str, object] | None:
    inner = wanted.get("json_schema", wanted)
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return schema if isinstance(schema, dict) else None
