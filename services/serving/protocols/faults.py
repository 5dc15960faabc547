"""What a translation refuses: fields that a chat has no place for, and values that are no such field's."""

from collections.abc import Iterable

from services.serving.domain.body import JsonObject
from shared.errors import Invalid


def unsupported(*faults: str, param: str | None = None) -> Invalid:
    """The refusal of what is right in the client's protocol, and cannot be said in a chat."""
    return Invalid(
        "The model is asked through OpenAI's chat protocol, which cannot carry all of the request: "
        f"{'; '.join(faults)}.",
        faults=faults,
        param=param,
        code="unsupported_parameter",
    )


def wrong(where: str, expected: str) -> Invalid:
    """The refusal of a value that is none of its field's."""
    return Invalid(f"'{where}' must be {expected}.", param=where)


def refuse_others(tree: JsonObject, carried: frozenset[str], where: str = "") -> None:
    """Raise `Invalid` for the members of an object that are given and not among those that are carried."""
    others = [name for name, value in tree.items() if name not in carried and value is not None]
    refuse_unsupported(f"{where}{name}"[:256] for name in others)


def refuse_unsupported(names: Iterable[str]) -> None:
    """Raise `Invalid` for fields that have no counterpart, all at once."""
    given = list(names)
    if given:
        faults = (f"'{name}' has no counterpart there" for name in given)
        raise unsupported(*faults, param=given[0])
