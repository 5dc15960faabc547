"""Personal data and secrets: the detectors of `shared/pii`, and a tenant's own identifiers beside them."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from services.serving.guards.options import read_options
from services.serving.guards.patterns import DEFAULT_LONGEST, Longest, Pattern
from services.serving.guards.port import Mark, Options
from shared.errors import Invalid
from shared.pii import findings, tails
from shared.pii.rules import Kind

PERSONAL = tuple(kind for kind in Kind if kind is not Kind.SECRET)


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    entities: tuple[str, ...] = ()
    identifiers: dict[str, str] = {}
    allowed: tuple[str, ...] = ()
    longest: Longest = DEFAULT_LONGEST


class PersonalData:
    """`pii`: e-mail, card, IBAN, telephone, IP address, SSN, NHS and medical record numbers, each proved
    by arithmetic where it has any.

    Options: `entities` (those to look for; all of them), `identifiers` (a category and the pattern of
    what a tenant alone knows: the form of its record numbers, its accounts) and `allowed` (what is
    everybody's to know: a house's own addresses, `*` for any text).
    """

    def __init__(self, options: Options) -> None:
        read = read_options("pii", options, _Options)
        self._kinds = _kinds(read.entities)
        self._allowed = [each.lower() for each in read.allowed]
        self._own = {
            category: Pattern(pattern, read.longest)
            for category, pattern in read.identifiers.items()
        }
        _refuse_bad_categories(read.identifiers)
        # The same function for every guard that has no patterns of its own: a stream asks it once.
        self.unfinished = self._unfinished if self._own else tails.unfinished

    def marks(self, text: str) -> Sequence[Mark]:
        found = [*_marks(text, self._kinds), *_matched(self._own, text)]
        return [mark for mark in found if not self._is_allowed(text[mark.start : mark.end])]

    def _is_allowed(self, piece: str) -> bool:
        return any(fnmatchcase(piece.lower(), each) for each in self._allowed)

    def _unfinished(self, text: str) -> int:
        own = (pattern.unfinished(text) for pattern in self._own.values())
        return min([tails.unfinished(text), *own])


class Secrets:
    """`secrets`: keys of known makers by their prefix, JSON Web Tokens, private keys, passwords in URLs, and
    what looks random where a name like `api_key` stands before it. It has no options."""

    def __init__(self, options: Options) -> None:
        read_options("secrets", options, _None)

    def marks(self, text: str) -> Sequence[Mark]:
        return _marks(text, _SECRETS)

    unfinished: Callable[[str], int] = staticmethod(tails.unfinished)


class _None(msgspec.Struct, forbid_unknown_fields=True):
    pass


def _marks(text: str, kinds: frozenset[Kind]) -> Sequence[Mark]:
    return [Mark(one.start, one.end, one.kind.lower()) for one in findings(text, kinds)]


def _matched(patterns: Mapping[str, Pattern], text: str) -> Sequence[Mark]:
    return [
        Mark(start, end, category)
        for category, pattern in patterns.items()
        for start, end in pattern.spans(text)
    ]


def _kinds(names: Sequence[str]) -> frozenset[Kind]:
    known = {kind.lower(): kind for kind in PERSONAL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Invalid(
            f"The guardrail 'pii' knows no entity {unknown[0]!r}: expected some of {', '.join(sorted(known))}."
        )
    return frozenset(known[name] for name in names) if names else frozenset(PERSONAL)


def _refuse_bad_categories(identifiers: Mapping[str, str]) -> None:
    for category in identifiers:
        if not category.isidentifier() or not category.islower():
            raise Invalid(
                f"The identifier {category!r} of the guardrail 'pii' must be named by a lower-case word."
            )


_SECRETS = frozenset((Kind.SECRET,))
