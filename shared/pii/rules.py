"""What personal data looks like: one rule for each shape, every pattern of bounded width.

A pattern may look at a bounded number of characters from wherever it begins, so that a text is
searched in a time proportional to its length, whatever is in it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from shared.pii.checks import iban_length, is_card, is_iban, is_ipv6, is_nhs, is_public_like_ipv4


class Kind(StrEnum):
    """What a piece of personal data is. Where two overlap, the one that stands first here names it."""

    SECRET = "SECRET"  # noqa: S105 - the name of a kind
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    SSN = "SSN"
    NHS = "NHS"
    MRN = "MRN"
    IP = "IP"
    PHONE = "PHONE"


Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A shape; `refine` proves a match and says where exactly the data lies, or that it is none.

    `trigger` is a regular expression of RE2 that finds something in whatever the pattern matches and
    `refine` proves; no match is longer than `width` characters.
    """

    kind: Kind
    trigger: str
    pattern: re.Pattern[str]
    refine: Callable[[re.Match[str]], Span | None] = lambda match: match.span()
    width: int = 128


def _card(match: re.Match[str]) -> Span | None:
    """The longest card number that begins here and ends where a group of digits ends."""
    run, start = match[1], match.start(1)
    ends = [place + 1 for place, character in enumerate(run) if character.isdigit()]
    digits = _digits(run)
    for count in range(len(ends), 11, -1):
        end = ends[count - 1]
        if not run[end : end + 1].isdigit() and is_card(digits[:count]):
            return start, start + end
    return None


def _iban(match: re.Match[str]) -> Span | None:
    run, start = match[1], match.start(1)
    places = [place for place, character in enumerate(run) if character.isalnum()]
    length = iban_length(run[:2])
    if length is None or len(places) < length:
        return None
    end = places[length - 1] + 1
    characters = "".join(run[place] for place in places[:length])
    after = match.string[start + end : start + end + 1]
    # A letter that follows at once belongs to it; behind a space the next word has begun.
    return (start, start + end) if not after.isalnum() and is_iban(characters) else None


def _ipv4(match: re.Match[str]) -> Span | None:
    return match.span() if is_public_like_ipv4(match[0]) else None


def _ipv6(match: re.Match[str]) -> Span | None:
    return match.span() if is_ipv6(match[0]) else None


def _phone(match: re.Match[str]) -> Span | None:
    return match.span() if 7 <= len(_digits(match[0])) <= 15 else None


def named(match: re.Match[str]) -> Span | None:
    """The part of a match that is the data."""
    return match.span("data")


def _named_phone(match: re.Match[str]) -> Span | None:
    return match.span("data") if 6 <= len(_digits(match["data"])) <= 15 else None


def _nhs(match: re.Match[str]) -> Span | None:
    return match.span("data") if is_nhs(_digits(match["data"])) else None


def _named_record(match: re.Match[str]) -> Span | None:
    return match.span("data") if len(_digits(match["data"])) >= 4 else None


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


# Scripts that put no space between words: what stands before an address in them is no part of it.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
LETTER = rf"[^\W{UNSPACED}]"
_PHONE_CUES = (
    "tel|phone|telephone|mobile|cell|fax|call|whatsapp|telefon|handy|mobil"
    "|t\u00e9l\u00e9phone|tel\u00e9fono|m\u00f3vil"
)
_RECORD_CUES = r"mrn|medical[ _]?record|patient[ _]?id|patient[ _]?no|patient[ _]?number|chart[ _]?no|chart[ _]?number"

PERSONAL: tuple[Rule, ...] = (
    Rule(
        Kind.EMAIL,
        r"[^\s@]@[^\s@.]{1,64}\.[^\s\d]",
        re.compile(
            rf"(?<!{LETTER})(?<![.%+-])(?:{LETTER}|[.%+-])(?:{LETTER}|[.%+'-]){{0,63}}+@"
            rf"(?:[^\W_](?:[\w-]{{0,62}}[^\W_])?\.){{1,8}}"
            rf"(?:(?:(?=[^\d_]){LETTER}){{2,24}}|[{UNSPACED}]{{1,8}})(?!{LETTER})"
        ),
        width=700,
    ),
    Rule(
        Kind.IBAN,
        r"(?:^|[^A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11}",
        re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}))", re.ASCII),
        _iban,
    ),
    Rule(
        Kind.CARD,
        r"[2-6](?:[ .-]?[0-9]){11}",
        re.compile(
            r"(?<![A-Za-z0-9])(?<!\d\.)(?=([2-6](?:[ .-]?\d){11,18})(?![A-Za-z\d]))", re.ASCII
        ),
        _card,
    ),
    Rule(
        Kind.SSN,
        r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
        re.compile(
            r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.SSN,
        r"(?is)(?:ssn|social.security).{0,20}[0-9]{3}",
        re.compile(
            r"(?:(?<![A-Za-z0-9])ssn|social[ _]security[ _](?:number|no\.?))\W{0,4}(?:is\W{1,2})?"
            r"(?P<data>(?!000|666|9)\d{3}[ -]?(?!00)\d{2}[ -]?(?!0000)\d{4})(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        named,
    ),
    Rule(
        Kind.NHS,  # ten digits in the groups that the NHS prints, whose check digit (modulo 11) holds
        r"[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}",
        re.compile(r"(?<![\w.+-])(?P<data>\d{3}([ -])\d{3}\2\d{4})(?![\w-])", re.ASCII),
        _nhs,
    ),
    Rule(
        Kind.NHS,
        r"(?is)nhs.{0,20}[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
        re.compile(
            r"(?<![A-Za-z0-9])nhs(?:[ _]?(?:number|no\.?))?\W{0,4}(?:is\W{1,2})?"
            r"(?P<data>\d{3}[ -]?\d{3}[ -]?\d{4})(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        _nhs,
    ),
    Rule(
        Kind.MRN,
        r"(?is)(?:mrn|medical.?record|patient.?(?:id|no|number)|chart.?n).{0,48}[0-9]",
        re.compile(
            rf"(?<![A-Za-z0-9])(?:{_RECORD_CUES})(?:[ _]?number|[ _]?no)?\W{{0,4}}(?:is\W{{1,2}})?"
            r"(?P<data>[A-Z0-9](?:-?[A-Z0-9]){3,15})(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        _named_record,
    ),
    Rule(
        Kind.IP,
        r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
        re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)", re.ASCII),
        _ipv4,
    ),
    Rule(
        Kind.IP,
        r"::[0-9a-fA-F:.]|[0-9a-fA-F]::|(?:[0-9a-fA-F]{1,4}:){5}",
        re.compile(
            r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}|:)(?::[0-9a-fA-F]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?(?![\w:])",
            re.ASCII,
        ),
        _ipv6,
    ),
    Rule(
        Kind.PHONE,  # international: E.164, at most 15 digits
        r"\+[0-9](?:[ .()-]{0,2}[0-9]){5}",
        re.compile(
            r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){4,12}(?![\w])", re.ASCII
        ),
        _phone,
    ),
    Rule(
        Kind.PHONE,  # North America
        r"[2-9][0-9]{2}(?:\) ?|[ .-])[2-9][0-9]{2}[ .-][0-9]{4}",
        re.compile(
            r"(?<![\w.+-])(?:\+?1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"
            r"(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.PHONE,  # national, with a trunk prefix: 020 7946 0958, 06 12 34 56 78
        r"0[1-9][0-9]{1,3}[ -][0-9]{3}|0[1-9][ .][0-9]{2}[ .][0-9]{2}",
        re.compile(
            r"(?<![\w.+-])(?:0[1-9]\d{1,3}[ -]\d{3,4}[ -]?\d{3,4}|0[1-9](?:[ .]\d{2}){4})(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.PHONE,  # anything, where the words before it say so
        r"(?is)(?:tel|phone|mobil|cell|fax|call|whatsapp|handy|l.phone|fono|m.vil).{0,30}[0-9](?:[ ./()-]{0,2}[0-9]){5}",
        re.compile(
            rf"(?<![A-Za-z0-9])(?:{_PHONE_CUES})(?:[ _]?number|[ _]?no| me| us| at| on|\.){{0,2}}\W{{0,4}}(?:is |at |on )?"
            r"(?P<data>\(?\d(?:[ ./()-]{0,2}\d){5,14})(?!\w)",
            re.IGNORECASE,
        ),
        _named_phone,
    ),
)
