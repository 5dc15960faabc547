"""Variables in a prompt's text: one pass, in which a value is data and is never read again."""

import re
from collections.abc import Mapping

MAX_FILLED_CHARACTERS = 8 * 1024 * 1024

NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,63}"


def variables_of(text: str) -> frozenset[str]:
    """The names of the variables in a text.

    >>> sorted(variables_of("{{ who }} asks {{who}} of {{company}}, not {this} or {{ 1 }}"))
    ['company', 'who']
    """
    return frozenset(_VARIABLE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with every variable replaced by its value. Raises `KeyError` for one that has none.

    >>> filled("Hello {{name}}.", {"name": "{{name}}"})
    'Hello {{name}}.'
    """
    return _VARIABLE.sub(lambda found: values[found[1]], text)


_VARIABLE = re.compile(rf"\{{\{{[ \t]*({NAME_PATTERN})[ \t]*\}}\}}")
