"""Where in a text a rule can find anything: one pass says which rules, another where, and only there is looked.

Both passes are RE2's: their time is proportional to the text, and several threads may make them at once.
"""

import re
from collections.abc import Container, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Protocol

import re2

from shared.pii.rules import PERSONAL, Kind, Rule
from shared.pii.secrets import SECRETS

RULES: tuple[Rule, ...] = (*SECRETS, *PERSONAL)

# A text with more places than this is searched as a whole.
MAX_PLACES = 32


def matches(
    text: str, kinds: Container[Kind] = frozenset(Kind)
) -> Iterator[tuple[Rule, re.Match[str]]]:
    """What the patterns of the rules for some kinds match in a text, unproved."""
    readable = whole_characters(text)
    for rule in telling(readable):
        if rule.kind not in kinds:
            continue
        for start, end in _windows(rule, readable):
            for match in rule.pattern.finditer(text, start, end):
                # What touches the end of its window goes on behind it, and is no match of the text.
                if end == len(text) or max(match.end(), match.end(match.lastindex or 0)) < end:
                    yield rule, match


def telling(text: str) -> Sequence[Rule]:
    """The rules whose trigger is somewhere in the text; no other rule matches in it."""
    found = _triggers().Match(text)
    return [RULES[place] for place in sorted(found)] if found else ()


def whole_characters(text: str) -> str:
    """The text with `?` for each half of a character: RE2 reads UTF-8, and some upstreams send halves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _windows(rule: Rule, text: str) -> Sequence[tuple[int, int]]:
    """The pieces of a text in which every match of a rule lies whole: each holds the trigger somewhere."""
    if len(text) <= 2 * rule.width:
        return [(0, len(text))]
    found = list(islice(_trigger(rule.trigger).finditer(text), MAX_PLACES + 1))
    if len(found) > MAX_PLACES:
        return [(0, len(text))]
    windows: list[tuple[int, int]] = []
    for match in found:
        start = max(0, match.start() - rule.width)
        if windows and start <= windows[-1][1]:
            start = windows.pop()[0]
        windows.append((start, min(len(text), match.end() + rule.width + 1)))
    return windows


class Trigger(Protocol):
    """A compiled expression of RE2."""

    def finditer(self, text: str) -> Iterator[re.Match[str]]: ...


@cache
def _triggers() -> re2.Set:
    triggers = re2.Set.SearchSet()
    for rule in RULES:
        triggers.Add(rule.trigger)
    triggers.Compile()
    return triggers


@cache
def _trigger(trigger: str) -> Trigger:
    compiled: Trigger = re2.compile(trigger)
    return compiled
