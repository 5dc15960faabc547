"""Kinds of scalar in leeway.yaml: how each is read from its text, and how a wrong one is told."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

from shared.addresses import check_url, parse_network, parse_url
from shared.errors import Denied, Invalid
from shared.webhook_secret import WEBHOOK_SECRET_PREFIX, secret_bytes

T_co = TypeVar("T_co", covariant=True)

MAX_DECIMALS = 12

# Tenants, projects and environments: they are also SQL users and parts of keys.
ID_PATTERN = r"[a-z][a-z0-9_-]{0,62}"
# Providers, models, keys, channels and rules.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}"

_DURATION = re.compile(r"(\d{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_DURATION_SECONDS = 31 * 86_400


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """What a scalar must be: its YAML types, and `parse`, which raises `ValueError` with a sentence."""

    types: frozenset[str]
    parse: Callable[[str], T_co]
    expected: str


def matching(pattern: str, expected: str) -> Kind[str]:
    """A text that matches a regular expression as a whole."""

    def parse(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"expected {expected}, not '{_short(text)}'.")
        return text

    return Kind(_STRING, parse, expected)


def choice(*allowed: str) -> Kind[str]:
    """One of a few words."""
    expected = f"one of {', '.join(allowed)}"

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"expected {expected}, not '{_short(text)}'.")
        return text

    return Kind(_STRING, parse, expected)


def whole(least: int, most: int) -> Kind[int]:
    """A whole number within bounds, both included."""
    expected = f"a whole number from {least} to {most}"

    def parse(text: str) -> int:
        if re.fullmatch(r"-?\d{1,18}", text) is None or not least <= int(text) <= most:
            raise ValueError(f"expected {expected}, not '{_short(text)}'.")
        return int(text)

    return Kind(frozenset({"int"}), parse, expected)


def outward(allow: Sequence[str]) -> Kind[str]:
    """A URL that alerts may be sent to, as far as it says by itself: where a name leads is seen when it is used."""
    networks = tuple(parse_network(text) for text in allow)

    def parse(text: str) -> str:
        url = URL.parse(text)
        try:
            check_url(url, networks)
        except Denied as refusal:
            raise ValueError(refusal.message) from refusal
        return url

    return Kind(_STRING, parse, "a URL of a public host, or of one in `alerts.allow_networks`")


def _flag(text: str) -> bool:
    return text.lower() == "true"


def _decimal(text: str) -> Decimal:
    """A number that is zero or more, exactly as it is written: it never passes through a float."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or value < 0 or not -MAX_DECIMALS <= exponent <= MAX_DECIMALS:
        raise ValueError(
            f"expected a number of zero or more with at most {MAX_DECIMALS} decimals, "
            f"not '{_short(text)}'."
        )
    return value


def _positive(text: str) -> float:
    value = float(_decimal(text))
    if not value:
        raise ValueError(f"expected a number above 0, not '{_short(text)}'.")
    return value


def _webhook_secret(text: str) -> str:
    try:
        secret_bytes(text)
    except Invalid as error:
        raise ValueError(_lowered(error.message)) from error
    return text


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= _MAX_DURATION_SECONDS:
        raise ValueError(
            f"expected a duration from 1s to 31d, like 300, 90s, 5m, 1h or 7d, not '{_short(text)}'."
        )
    return seconds


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"expected a time like 2027-01-31T00:00:00Z, not '{text}'.") from error
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with its zone, like 2027-01-31T00:00:00Z, not '{text}'.")
    return moment.astimezone(UTC)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"expected a network like 10.0.0.0/8, not '{_short(text)}'.") from error


def _url(text: str) -> str:
    """The sentence never repeats the URL: its user part or its query may hold a secret."""
    try:
        parse_url(text)
    except Invalid as error:
        raise ValueError(_lowered(error.message)) from error
    return text.rstrip("/")


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


_STRING = frozenset({"str"})
_NUMBER = frozenset({"int", "float"})

ID = matching(ID_PATTERN, "lower-case letters, digits, '-' and '_', a letter first, at most 63")
NAME = matching(NAME_PATTERN, "a name of letters, digits and any of ._:/@+-, at most 128")
LINE = matching(r"[^\x00-\x1f\x7f]{1,256}", "one line of text, at most 256 characters")
FLAG = Kind(frozenset({"bool"}), _flag, "true or false")
DECIMAL = Kind(_NUMBER, _decimal, "a number")
POSITIVE = Kind(_NUMBER, _positive, "a number above 0")
DURATION = Kind(frozenset({"int", "str"}), _duration, "a duration like 300, 90s, 5m, 1h or 7d")
MOMENT = Kind(frozenset({"str", "timestamp"}), _moment, "a time like 2027-01-31T00:00:00Z")
NETWORK = Kind(_STRING, _network, "a network like 10.0.0.0/8")
URL = Kind(_STRING, _url, "a URL")
HOST = matching(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", "the name or address of a host")
MAILBOX = matching(
    r"[^@<>\s]+@[^@<>\s]+|[^<>@\x00-\x1f]{0,128}<[^@<>\s]+@[^@<>\s]+>",
    "an address like alerts@example.com, or Alerts <alerts@example.com>",
)
WEBHOOK_SECRET = Kind(_STRING, _webhook_secret, f"{WEBHOOK_SECRET_PREFIX} and base64")
TOKEN = matching(r"[\x21-\x7e]{1,512}", "a key of visible characters without spaces")
