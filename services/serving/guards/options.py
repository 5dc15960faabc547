"""A guard's options, read into its own structure, with faults that name the guard."""

from typing import TypeVar

import msgspec

from services.serving.guards.port import Options
from shared.errors import Invalid

T = TypeVar("T", bound=msgspec.Struct)


def read_options(guard: str, options: Options, shape: type[T]) -> T:
    """The options as a structure. Raises `Invalid` for what is none of them."""
    try:
        return msgspec.convert(dict(options), shape, strict=True)
    except msgspec.ValidationError as fault:
        raise Invalid(f"The options of the guardrail {guard!r} are wrong: {fault}.") from fault
