"""What a translation refuses: fields that a chat has no place for, and values that are no such field's."""

from collections.abc import Iterable, Mapping

from services.serving.domain.body import JsonObject
from shared.errors import Invalid

Type = tuple[tuple[type, ...], str]
"""The Python types of a field's JSON, and what a client is told that it must be."""

TEXT: Type = ((str,), "a string")
FLAG: Type = ((bool,), "true or false")
NUMBER: Type = ((int, float), "a number")
COUNT: Type = ((int,), "a whole number")
LIST: Type = ((list,), "a list")
OBJECT: Type = ((dict,), "an object")


def unsupported(*faults: str, param: str | None = None) -> Invalid:
    """The refusal of what is right in the client's protocol, and cannot be said in a chat."""
    return Invalid(
        "The model is asked through OpenAI's chat protocol, which cannot carry all of the request: "
        f"{'; '.join(faults)}.",
        faults=faults,
        param=param,
        code="unsupported_parameter",
    )


def type_faults(tree: JsonObject, types: Mapping[str, Type]) -> Iterable[str]:
    """What is wrong with optional fields: each is absent, null, or of its type."""
    for name, (kinds, expected) in types.items():
        value = tree.get(name)
        odd = isinstance(value, bool) and bool not in kinds  # to Python it is a number
        if value is not None and (odd or not isinstance(value, kinds)):
            yield f"'{name}' must be {expected}"


def wrong(where: str, expected: str) -> Invalid:
    """The refusal of a value that is none of its field's."""
    return Invalid(f"'{where}' must be {expected}.", param=where)


def refuse_others(tree: JsonObject, carried: frozenset[str], where: str = "") -> None:
    """Raise `Invalid` for the members of an object that are given and not among those that are carried."""
    asked = {name: value for name, value in tree.items() if value not in (None, [], {})}
    others = [name for name in asked if name not in carried]
    refuse_unsupported(f"{where}{name}"[:256] for name in others)


def refuse_unsupported(names: Iterable[str]) -> None:
    """Raise `Invalid` for fields that have no counterpart, all at once."""
    given = list(names)
    if given:
        faults = (f"'{name}' has no counterpart there" for name in given)
        raise unsupported(*faults, param=given[0])
