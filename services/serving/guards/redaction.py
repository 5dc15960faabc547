"""Texts with pieces of them replaced, so that what was JSON stays JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Edit:
    """`text[start:end]` becomes `by`."""

    start: int
    end: int
    by: str


def json_of(value: Any) -> bytes:
    """A value as JSON, whatever an upstream put into it: half a character, a number of any size, NaN."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def placeholder(category: str) -> str:
    """What stands for a piece of a category.

    >>> placeholder("email")
    '[EMAIL]'
    """
    return f"[{category.upper()}]"


def without_overlap(edits: Iterable[Edit]) -> Sequence[Edit]:
    """The edits in order; where two overlap one goes over both, and says what the one that begins first does."""
    kept: list[Edit] = []
    for one in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if kept and one.start < kept[-1].end:
            last = kept.pop()
            kept.append(Edit(last.start, max(last.end, one.end), last.by))
        else:
            kept.append(one)
    return kept


def edited(text: str, edits: Sequence[Edit], *, offset: int = 0) -> str:
    """A text that begins at `offset` of what the edits were told of, with what of them falls into it.

    An edit that began before the text only takes away: its word stands where it began.

    >>> edited("tel 123!", [Edit(4, 7, "[PHONE]")]), edited("3!", [Edit(4, 7, "[PHONE]")], offset=6)
    ('tel [PHONE]!', '!')
    """
    pieces: list[str] = []
    at = 0
    for edit in edits:
        start, end = edit.start - offset, edit.end - offset
        if end <= 0 or start >= len(text):
            continue
        pieces += [text[at : max(start, 0)], edit.by if start >= 0 else ""]
        at = min(end, len(text))
    return "".join([*pieces, text[at:]])


def in_json(text: str, edits: Sequence[Edit], *, inside: bool = False) -> Sequence[Edit]:
    """The edits of a piece of JSON text, so that a number that is replaced becomes a string.

    `inside`: the piece begins in the middle of a string.

    >>> in_json('{"card": 4111111111111111}', [Edit(9, 25, "[CARD]")])
    [Edit(start=9, end=25, by='"[CARD]"')]
    """
    kept: list[Edit] = []
    at = 0
    for edit in edits:
        inside = ends_inside(text[at : edit.start], inside=inside)
        at = edit.start
        kept.append(edit if inside else _quoted(text, edit))
    return kept


def ends_inside(text: str, *, inside: bool) -> bool:
    """Whether a piece of JSON text that begins inside of a string, or not, ends inside of one."""
    quotes = sum(1 for match in _QUOTE.finditer(text) if match[0] == '"')
    return inside ^ bool(quotes % 2)


def _quoted(text: str, edit: Edit) -> Edit:
    start, end = edit.start, edit.end
    if _NUMBER.fullmatch(text, start, end) is None:
        return edit
    while start > 0 and text[start - 1] in _NUMBER_CHARACTERS:
        start -= 1
    while end < len(text) and text[end] in _NUMBER_CHARACTERS:
        end += 1
    return Edit(start, end, f'"{edit.by}"')


_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_NUMBER = re.compile(r"[-+.\d]+", re.ASCII)
_NUMBER_CHARACTERS = "0123456789+-.eE"
