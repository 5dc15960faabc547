"""Settings: one frozen model per service, read once from the environment and from nowhere else."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.errors import Invalid


class ServiceSettings(BaseSettings):
    """The base of every service's settings; each sets its own prefix `LEEWAY_<SERVICE>_`.

    Raises `Invalid` whose `faults` are all that is wrong, each as `LEEWAY_PORT: sentence`; no fault ever
    shows a secret.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            faults = [_fault(type(self), one) for one in error.errors(include_url=False)]
            raise _refusal(faults) from None  # pydantic's own sentences may repeat a secret
        except SettingsError as error:
            raise _refusal([_unparsed(type(self), error)]) from None


def check_settings(kinds: Sequence[type[ServiceSettings]]) -> None:
    """Raises `Invalid` with the faults of all of these together, as the environment gives them now."""
    faults = [fault for kind in kinds for fault in _faults_of(kind)]
    if faults:
        raise _refusal(faults)


def _faults_of(kind: type[ServiceSettings]) -> Iterator[str]:
    try:
        kind()
    except Invalid as refusal:
        yield from refusal.faults


def _refusal(faults: Sequence[str]) -> Invalid:
    count = "One setting is" if len(faults) == 1 else f"{len(faults)} settings are"
    return Invalid(f"{count} wrong.", faults=tuple(faults))


def _fault(kind: type[ServiceSettings], error: ErrorDetails) -> str:
    sentence = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:  # about several at once, which it names
        return f"{sentence}."
    field, *within = error["loc"]
    name = "".join([_variable(kind, str(field)), *(f"[{key}]" for key in within)])
    if error["type"] == "value_error":
        return f"{name}: {sentence}."
    expected = _expected(sentence)
    if kind.model_fields[str(field)].annotation is SecretStr:
        return f"{name}: {expected}."
    return f"{name}: {expected}, not '{error['input']}'."


def _unparsed(kind: type[ServiceSettings], error: SettingsError) -> str:
    """A setting that is a list or a mapping is written as JSON; the library tells its field in its sentence."""
    found = re.search(r'field "(\w+)"', str(error))
    return f"{_variable(kind, found[1])}: expected JSON." if found else f"{error}."


def _variable(kind: type[ServiceSettings], field: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def _expected(sentence: str) -> str:
    """What was expected, of pydantic's sentence.

    >>> _expected("Input should be a valid integer, unable to parse string as an integer")
    'expected a valid integer'
    >>> _expected("String should match pattern '^(NORMAL|FULL)$'")
    "expected to match pattern '^(NORMAL|FULL)$'"
    """
    told = sentence.split(", unable to ", maxsplit=1)[0]
    for beginning in ("Input should be ", "Input should ", "String should "):
        if told.startswith(beginning):
            rest = told.removeprefix(beginning)
            return f"expected {rest}" if beginning.endswith("be ") else f"expected to {rest}"
    return told[:1].lower() + told[1:]
