"""What personal data looks like: one rule for each shape, every pattern of bounded width.

A pattern may look at a bounded number of characters from wherever it begins, so that a text is
searched in a time proportional to its length, whatever is in it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from shared.pii.checks import iban_length, is_card, is_iban, is_ipv6, is_public_like_ipv4


class Kind(StrEnum):
    """What a piece of personal data is. Where two overlap, the one that stands first here names it."""

    SECRET = "SECRET"  # noqa: S105 - the name of a kind
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    SSN = "SSN"
    MRN = "MRN"
    IP = "IP"
    PHONE = "PHONE"


Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A shape; `refine` proves a match and says where exactly the data lies, or that it is none.

    `needs` are characters of which a text must hold at least one to be searched at all.
    """

    kind: Kind
    needs: str
    pattern: re.Pattern[str]
    refine: Callable[[re.Match[str]], Span | None] = lambda match: match.span()


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


def _named(match: re.Match[str]) -> Span | None:
    return match.span("data")


def _named_phone(match: re.Match[str]) -> Span | None:
    return match.span("data") if 6 <= len(_digits(match["data"])) <= 15 else None


def _named_record(match: re.Match[str]) -> Span | None:
    return match.span("data") if len(_digits(match["data"])) >= 4 else None


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


_TOKENS = (
    r"sk-[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic and their likes
    r"lk_[A-Za-z0-9-]{1,32}_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{20,64}",  # Leeway
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,128}",  # Stripe
    r"gh[pousr]_[A-Za-z0-9]{36,251}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,244}",
    r"glpat-[A-Za-z0-9_-]{20,64}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,200}",  # Slack
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"hf_[A-Za-z0-9]{30,64}",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,250}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
)
_PHONE_CUES = "tel|phone|telephone|mobile|cell|fax|call|whatsapp|telefon|handy|mobil|t\u00e9l\u00e9phone|tel\u00e9fono|m\u00f3vil"
_RECORD_CUES = "mrn|medical record|patient id|patient no|patient number|chart no|chart number"

RULES: tuple[Rule, ...] = (
    Rule(
        Kind.SECRET,
        "_-AS",
        re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_TOKENS)})(?![A-Za-z0-9])"),
    ),
    Rule(
        Kind.SECRET,  # a JSON Web Token (RFC 7519)
        ".",
        re.compile(
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}+\.eyJ[A-Za-z0-9_-]{8,8192}+\."
            r"[A-Za-z0-9_-]{16,1024}+"
        ),
    ),
    Rule(
        Kind.SECRET,
        "-",
        re.compile(
            r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----[A-Za-z0-9+/=\\\s]{0,8192}+"
            r"(?:-----END [A-Z ]{0,24}PRIVATE KEY-----)?"
        ),
    ),
    Rule(
        Kind.SECRET,  # the password in a URL
        "@",
        re.compile(r"(?<=://)[^\s/:@]{0,64}+:(?P<data>[^\s/@]{1,128}+)@"),
        _named,
    ),
    Rule(
        Kind.EMAIL,
        "@",
        re.compile(
            r"(?<![\w.%+-])[\w.%+-][\w.%+'-]{0,63}+@(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?!\w)"
        ),
    ),
    Rule(
        Kind.IBAN,
        "0123456789",
        re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}))", re.ASCII),
        _iban,
    ),
    Rule(
        Kind.CARD,
        "23456",
        re.compile(
            r"(?<![A-Za-z0-9])(?<!\d\.)(?=([2-6](?:[ .-]?\d){11,18})(?![A-Za-z\d]))", re.ASCII
        ),
        _card,
    ),
    Rule(
        Kind.SSN,
        "-",
        re.compile(
            r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.SSN,
        "sS",
        re.compile(
            r"(?:\bssn|social security (?:number|no\.?))\W{0,4}(?:is\W{1,2})?"
            r"(?P<data>(?!000|666|9)\d{3}[ -]?(?!00)\d{2}[ -]?(?!0000)\d{4})(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        _named,
    ),
    Rule(
        Kind.MRN,
        "0123456789",
        re.compile(
            rf"\b(?:{_RECORD_CUES})(?: number| no)?\W{{0,4}}(?:is\W{{1,2}})?"
            r"(?P<data>[A-Z0-9](?:-?[A-Z0-9]){3,15})(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        _named_record,
    ),
    Rule(
        Kind.IP,
        ".",
        re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)", re.ASCII),
        _ipv4,
    ),
    Rule(
        Kind.IP,
        ":",
        re.compile(
            r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}|:)(?::[0-9a-fA-F]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?(?![\w:])",
            re.ASCII,
        ),
        _ipv6,
    ),
    Rule(
        Kind.PHONE,  # international: E.164, at most 15 digits
        "+",
        re.compile(
            r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){4,12}(?![\w])", re.ASCII
        ),
        _phone,
    ),
    Rule(
        Kind.PHONE,  # North America
        "(-. ",
        re.compile(
            r"(?<![\w.+-])(?:\+?1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"
            r"(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.PHONE,  # national, with a trunk prefix: 020 7946 0958, 06 12 34 56 78
        "0",
        re.compile(
            r"(?<![\w.+-])(?:0[1-9]\d{1,3}[ -]\d{3,4}[ -]?\d{3,4}|0[1-9](?:[ .]\d{2}){4})(?![\w-])",
            re.ASCII,
        ),
    ),
    Rule(
        Kind.PHONE,  # anything, where the words before it say so
        "0123456789",
        re.compile(
            rf"\b(?:{_PHONE_CUES})(?: number| no| me| us| at| on|\.){{0,2}}\W{{0,4}}(?:is |at |on )?"
            r"(?P<data>\(?\d(?:[ ./()-]{0,2}\d){5,14})(?!\w)",
            re.IGNORECASE,
        ),
        _named_phone,
    ),
)
