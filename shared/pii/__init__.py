"""Personal data in text: what was seen, and the text without it.

The fast path: patterns, each proved by arithmetic where the data has any (Luhn, MOD 97). Names are
not found, nor what is spelled out ("john at example dot com") or written in look-alike letters.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from shared.pii.folding import fold
from shared.pii.rules import Kind
from shared.pii.search import matches

_STRENGTH = {kind: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of personal data: `text[start:end]`."""

    kind: Kind
    start: int
    end: int


def findings(text: str, kinds: Container[Kind] = frozenset(Kind)) -> list[Finding]:
    """The personal data of some kinds in a text, in order and without overlap.

    Pieces that overlap become one, from the first character to the last, named by the strongest kind.

    >>> findings("Mail ann@example.org or call +44 20 7946 0958.")
    [Finding(kind=<Kind.EMAIL: 'EMAIL'>, start=5, end=20), \
Finding(kind=<Kind.PHONE: 'PHONE'>, start=29, end=45)]
    """
    folded = fold(text)
    found = _merged(sorted(_candidates(folded.text, kinds), key=lambda one: (one.start, one.end)))
    return [Finding(one.kind, *folded.span(one.start, one.end)) for one in found]


def redact(text: str) -> str:
    """The text with each piece of personal data replaced by its kind in brackets.

    >>> redact("Card 4111 1111 1111 1111, thanks")
    'Card [CARD], thanks'
    """
    pieces, end = [], 0
    for one in findings(text):
        pieces += [text[end : one.start], f"[{one.kind}]"]
        end = one.end
    return "".join([*pieces, text[end:]]) if pieces else text


def _candidates(text: str, kinds: Container[Kind]) -> Iterator[Finding]:
    for rule, match in matches(text, kinds):
        span = rule.refine(match)
        if span is not None:
            yield Finding(rule.kind, *span)


def _merged(candidates: Sequence[Finding]) -> list[Finding]:
    merged: list[Finding] = []
    for one in candidates:
        if merged and one.start < merged[-1].end:
            last = merged.pop()
            kind = min(last.kind, one.kind, key=_STRENGTH.__getitem__)
            merged.append(Finding(kind, last.start, max(last.end, one.end)))
        else:
            merged.append(one)
    return merged
