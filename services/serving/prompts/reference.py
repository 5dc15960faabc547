"""How a request names a prompt: as its model, `prompt:NAME@LABEL`, or in an object `prompt`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.prompted import PROMPT_PREFIX, names_prompt
from shared.errors import Invalid

PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Reference:
    """A prompt's name, which of its versions (a number, or a label), and values for its variables."""

    name: str
    version: str = PRODUCTION
    variables: Mapping[str, str] = field(default_factory=dict)


def reference_of(tree: JsonObject) -> Reference | None:
    """The prompt that a body names; None when it names none. Raises `Invalid` with every fault.

    The object's members are those of OpenAI's Responses (`id`, `version`, `variables`), with `name` and
    `label` for the first two. Where the model names the prompt, the object may give the variables alone.

    >>> reference_of({"model": "prompt:support-agent@staging"})
    Reference(name='support-agent', version='staging', variables={})
    >>> reference_of({"prompt": {"id": "support-agent", "version": "2", "variables": {"n": 3}}})
    Reference(name='support-agent', version='2', variables={'n': '3'})
    """
    if not names_prompt(tree):
        return None
    model, given = tree.get("model"), tree.get("prompt")
    given = {} if given is None else given
    written = model if isinstance(model, str) and model.startswith(PROMPT_PREFIX) else ""
    name, _, version = written.removeprefix(PROMPT_PREFIX).partition("@")
    faults = list(_faults(given, named=bool(written)))
    if faults:
        raise Invalid(
            f"The request is wrong: {'; '.join(faults)}.", faults=tuple(faults), param="prompt"
        )
    return Reference(
        name=name or given.get("id") or given.get("name", ""),
        version=version or given.get("version") or given.get("label") or PRODUCTION,
        variables={key: _text(value) for key, value in (given.get("variables") or {}).items()},
    )


def _faults(given: JsonObject, *, named: bool) -> Iterator[str]:
    if not isinstance(given, dict):
        yield "'prompt' must be an object with an 'id'"
        return
    unknown = sorted(given.keys() - _MEMBERS)
    if unknown:
        yield f"'prompt' has no '{unknown[0][:64]}': it has {', '.join(sorted(_MEMBERS))}"
    for one, other in (("id", "name"), ("version", "label")):
        texts = [given[key] for key in (one, other) if given.get(key) is not None]
        if len(texts) > 1:
            yield f"'prompt.{one}' and 'prompt.{other}' are the same: give one"
        if not all(isinstance(text, str) and text for text in texts):
            yield f"'prompt.{one}' must be a text, and not empty"
        if texts and named:
            yield f"'prompt.{one}' is said by 'model' already"
    if not named and given.get("id") is None and given.get("name") is None:
        yield "'prompt.id' must say which prompt"
    yield from _variable_faults(given.get("variables"))


def _variable_faults(variables: Any) -> Iterator[str]:
    if not isinstance(variables, dict | None):
        yield "'prompt.variables' must be an object"
        return
    for name, value in (variables or {}).items():
        if not _is_text(value):
            yield f"'prompt.variables.{name[:64]}' must be a text or a number"


def _is_text(value: Any) -> bool:
    match value:
        case str() | int() | float():
            return True
        case {"type": "input_text", "text": str()}:
            return True
        case _:
            return False


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case {"text": str(text)}:
            return text
        case _:
            return orjson.dumps(value).decode()


_MEMBERS = frozenset(("id", "name", "version", "label", "variables"))
