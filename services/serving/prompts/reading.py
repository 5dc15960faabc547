"""A file of one prompt, in YAML: read as a whole, or refused with every fault that can be told."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from services.serving.prompts.port import Message, Prompt, Version
from shared.config.document import Unreadable, Value, parse
from shared.errors import Invalid

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_Number = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,8}$")]
_Bound = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True, slots=True)
class Read:
    """A prompt, and the tenants whose it is."""

    tenants: tuple[str, ...]
    prompt: Prompt


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file: a key that it does not know is a fault."""


class _Message(_Part, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _Parameters(_Part, frozen=True, omit_defaults=True):
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: _Bound | None = None
    max_completion_tokens: _Bound | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    tool_choice: str | dict[str, Any] | None = None


class _Version(_Part, frozen=True):
    messages: Annotated[tuple[_Message, ...], msgspec.Meta(min_length=1)]
    model: str = ""
    parameters: _Parameters = _Parameters()
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None


class _File(_Part, frozen=True):
    name: _Name
    tenants: Annotated[tuple[_Id, ...], msgspec.Meta(min_length=1)]
    versions: Annotated[dict[_Number, _Version], msgspec.Meta(min_length=1)]
    labels: dict[_Id, _Bound] = {}


def read_prompt(text: str) -> Read:
    """The prompt that a file says. Raises `Invalid` with what is wrong and where."""
    try:
        root = parse(text)
        file = msgspec.convert(None if root is None else _plain(root), _File)
    except Unreadable as fault:
        raise Invalid(f"line {fault.line}: {fault.sentence.rstrip('.')}.") from fault
    except msgspec.ValidationError as fault:
        raise Invalid(f"{str(fault).replace('`', chr(39))}.") from fault
    versions = {int(number): _version(said) for number, said in file.versions.items()}
    for label, number in file.labels.items():
        if number not in versions:
            there = ", ".join(str(each) for each in sorted(versions))
            raise Invalid(f"labels.{label}: there is no version {number}, only {there}.")
    return Read(file.tenants, Prompt(file.name, versions, file.labels))


def _version(said: _Version) -> Version:
    return Version(
        messages=tuple(Message(each.role, each.content) for each in said.messages),
        model=said.model,
        parameters=msgspec.to_builtins(said.parameters),
        tools=said.tools,
        response_format=said.response_format,
    )


def _plain(value: Value) -> Any:
    """A YAML value as JSON has it. Raises `Unreadable` for what JSON has not."""
    match value.type:
        case "map":
            return _mapping(value)
        case "seq":
            return [_plain(item) for item in value.items()]
        case "str" | "timestamp":
            return value.text
        case "int" | "float":
            return _number(value)
        case "bool":
            return value.text.lower() == "true"
        case "null":
            return None
        case other:
            raise Unreadable(value.line, f"{value.path}: a value of the kind {other} is not read.")


def _mapping(value: Value) -> Mapping[str, Any]:
    entries: dict[str, Any] = {}
    for key, entry in _scalars(value):
        if key.text in entries:
            raise Unreadable(key.line, f"{key.path}: this key is given twice.")
        entries[key.text] = _plain(entry)
    return entries


def _scalars(value: Value) -> Iterator[tuple[Value, Value]]:
    for key, entry in value.entries():
        if key.type not in {"str", "int"}:
            raise Unreadable(key.line, f"{key.path}: a key must be a text or a whole number.")
        yield key, entry


def _number(value: Value) -> int | float:
    try:
        number = int(value.text, 0) if value.type == "int" else float(value.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unreadable(value.line, f"{value.path}: {value.text!r} is no number of JSON.")
    return number
