"""API keys as text: `lk_<environment>_<id8>_<secret43>_<crc6>`, made so that `shared.live` can split them."""

import re
import secrets

from shared.live import key_checksum

SECRET_BITS = 256

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 8
_SECRET_LENGTH = 43  # base 62: 43 digits hold 256 bits (43 * log2(62) = 256.03)
_NOT_IN_A_PART = re.compile(r"[^a-z0-9-]+")
_TOKEN = re.compile(
    rf"lk_[a-z0-9-]+_[0-9A-Za-z]{{{_ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH}}}_[0-9a-f]{{6}}"
)


def new_token(environment: str) -> str:
    """A new API key: eight random digits to look it up by, and a secret of 256 random bits."""
    key_id = _base62(secrets.randbelow(62**_ID_LENGTH), _ID_LENGTH)
    secret = _base62(secrets.randbits(SECRET_BITS), _SECRET_LENGTH)
    body = f"{token_prefix(environment, key_id)}_{secret}"
    return f"{body}_{key_checksum(body)}"


def token_prefix(environment: str, key_id: str) -> str:
    """The part of a key that may be shown: it names the environment and the public id.

    >>> token_prefix("EU Production_2", "0aZ9bY8c")
    'lk_eu-production-2_0aZ9bY8c'
    """
    return f"lk_{_NOT_IN_A_PART.sub('-', environment.lower())}_{key_id}"


def is_token(text: str) -> bool:
    """Whether the text is a whole API key, checksum included."""
    body, _, checksum = text.rpartition("_")
    return _TOKEN.fullmatch(text) is not None and key_checksum(body) == checksum


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
