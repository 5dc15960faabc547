"""One pass over a text that says which rules can find anything in it: only those are then searched for.

The pass is RE2's: its time is proportional to the text, and it may be made by several threads at once.
"""

from collections.abc import Sequence
from functools import cache

import re2

from shared.pii.rules import PERSONAL, Rule
from shared.pii.secrets import SECRETS

RULES: tuple[Rule, ...] = (*SECRETS, *PERSONAL)


def telling(text: str) -> Sequence[Rule]:
    """The rules whose trigger is somewhere in the text; no other rule matches in it."""
    # RE2 reads UTF-8: half a character, as some upstreams send, is no part of any rule.
    found = _triggers().Match(text.encode("utf-8", "replace"))
    return [RULES[place] for place in sorted(found)] if found else ()


@cache
def _triggers() -> re2.Set:
    triggers = re2.Set.SearchSet()
    for rule in RULES:
        triggers.Add(rule.trigger)
    triggers.Compile()
    return triggers
