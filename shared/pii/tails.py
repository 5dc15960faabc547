"""Where a text that goes on may be in the middle of a piece of personal data, or of a secret.

Each tail is the beginning of some rules' patterns, however far it has come, at the end of a text. It may
hold back more than it must, and never less: `tests/unit/test_shared_pii_tails.py` cuts texts everywhere.
"""

import re
from collections.abc import Callable
from string import ascii_letters, digits, hexdigits

from shared.pii.rules import LETTER, UNSPACED
from shared.pii.secrets import CUES, PREFIXES

# What stands before a piece and names it must be seen with it.
LOOK_BEHIND = 96
# The most that is held back, in characters of the folded text, while a token or a private key goes on...
MOST = 12_000
# ...and for anything else: the longest address of mail.
USUAL = 700

_NUMBER, _TOKEN, _NAMED_TOKEN, _NETWORK, _LOCAL, _IBAN, _URL, _KEY = (
    64,
    34,
    340,
    56,
    65,
    70,
    210,
    8_400,
)
_NUMBER_CHARACTERS = f"{digits} ./()+-"
_IBAN_CHARACTERS = f"{ascii_letters}{digits} -"
_TOKEN_CHARACTERS = f"{ascii_letters}{digits}+/_=.~-"
_NETWORK_CHARACTERS = f"{hexdigits}:."


def unfinished(text: str) -> int:
    """The place from which a folded text may hold a piece that is not finished; its length for none.

    >>> unfinished("write to ann@exam"), unfinished("that is all. ")
    (9, 13)
    """
    return min(tail(text) for tail in _TAILS)


def _number(text: str) -> int:
    """Cards, telephones, people's numbers, in groups."""
    run = _run(text, _NUMBER, _NUMBER_CHARACTERS)
    return len(text) - len(run.lstrip(" ./)-"))


def _token(text: str) -> int:
    """A token, or what a word before it names: long when its prefix has come, or when it has been named."""
    run = _run(text, _NAMED_TOKEN, _TOKEN_CHARACTERS)
    began = len(text) - len(run)
    if len(run) <= _TOKEN or _INTRODUCED.search(text, max(0, began - LOOK_BEHIND)):
        return began
    return len(text) - _TOKEN


def _network(text: str) -> int:
    """An address of the internet."""
    return len(text) - len(_run(text, _NETWORK, _NETWORK_CHARACTERS))


def _mail(text: str) -> int:
    """An address of mail: before its sign the longest end that may be its name, behind it the whole."""
    window = max(0, len(text) - USUAL)
    if text.find("@", window) >= 0:
        match = _ADDRESS.search(text, window)
        return match.start() if match else len(text)
    # Read backwards a run is matched once, and not from every place in the window.
    match = _NAME_BACKWARDS.match(text[: -_LOCAL - 1 : -1])
    return len(text) - (match.end() if match else 0)


def _iban(text: str) -> int:
    run = _run(text, _IBAN, _IBAN_CHARACTERS)
    match = _IBAN_START.search(text, len(text) - len(run))
    return match.start() if match else len(text)


def _matched(pattern: str, width: int, sign: str = "") -> Callable[[str], int]:
    """The tail of a shape of a bounded width, which is not searched for where its sign is not."""
    compiled = re.compile(pattern, re.ASCII)

    def began(text: str) -> int:
        window = max(0, len(text) - width)
        if sign and text.find(sign, window) < 0:
            return len(text)
        match = compiled.search(text, window)
        return match.start() if match else len(text)

    return began


def _run(text: str, width: int, characters: str) -> str:
    """The longest end of a text that is of these characters alone, up to a width."""
    window = text[-width:]
    return window[len(window.rstrip(characters)) :]


_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}")
_INTRODUCED = re.compile(rf"{PREFIXES}|8Q~|{CUES}|bearer", re.IGNORECASE)
_NAME_BACKWARDS = re.compile(rf"(?:{LETTER}|[.%+'-])+")
_ADDRESS = re.compile(rf"(?:{LETTER}|[.%+-])(?:{LETTER}|[.%+'-]){{0,63}}(?:@[\w.{UNSPACED}-]*)?\Z")
_TAILS: tuple[Callable[[str], int], ...] = (
    _number,
    _token,
    _network,
    _mail,
    _iban,
    _matched(r"://[^\s/:@\"'<>]*(?::[^\s/@\"'<>]*)?\Z", _URL, "://"),
    _matched(
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{0,2048}+"
        r"(?:\.[A-Za-z0-9_-]{0,8192}+(?:\.[A-Za-z0-9_-]{0,1024}+)?)?\Z",
        MOST,
        "eyJ",
    ),
    _matched(r"-{1,5}\Z", 5, "-"),
    _matched(
        r"-----B[A-Z ]{0,45}-{0,5}[A-Za-z0-9+/=\\\s]{0,8192}+(?:-{1,5}[A-Z ]{0,45}-{0,5})?\Z",
        _KEY,
        "-----B",
    ),
)
