"""The ids of files and batches as clients have them: sealed to their tenant, with who holds what they name.

AES-SIV (RFC 5297) under a key derived from the installation's pepper: the same thing has the same id each
time, and an id opens for the tenant it was given to and for no other.
"""

import base64
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import NotFound

What = Literal["file", "batch"]
MAX_CHARS = 512

_KEY_BYTES = 64
_PURPOSE = b"leeway passing 1"
_PREFIXES: dict[What, str] = {"file": "file-lw_", "batch": "batch_lw_"}


@dataclass(frozen=True, slots=True)
class Held:
    """A thing at an upstream: the provider, a fingerprint of which of its keys, and its own id there.

    `kind` is the kind of the interactions in a batch and its output; empty for any other file.
    """

    provider: str
    key: str
    name: str
    kind: str = ""


class Ids:
    """Seals and opens ids."""

    def __init__(self, pepper: bytes) -> None:
        self._cipher = AESSIV(HKDF(SHA256(), _KEY_BYTES, None, _PURPOSE).derive(pepper))

    def sealed(self, tenant: str, what: What, held: Held) -> str:
        """The id by which a tenant knows a thing."""
        plain = msgspec.msgpack.encode((held.provider, held.key, held.name, held.kind))
        closed = self._cipher.encrypt(plain, _bound(tenant, what))
        return _PREFIXES[what] + base64.urlsafe_b64encode(closed).decode().rstrip("=")

    def opened(self, tenant: str, what: What, given: str) -> Held:
        """What an id names. Raises `NotFound` for what was not given to this tenant, whatever it is."""
        written = given.removeprefix(_PREFIXES[what])
        if written == given or len(given) > MAX_CHARS or not _BASE64.fullmatch(written):
            raise _unknown(what)
        try:
            closed = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
            plain = self._cipher.decrypt(closed, _bound(tenant, what))
        except (InvalidTag, ValueError) as fault:
            raise _unknown(what) from fault
        held = Held(*_PLAIN.decode(plain))
        if self.sealed(tenant, what, held) != given:  # the same bytes in another spelling
            raise _unknown(what)
        return held


def fingerprint(reference: str) -> str:
    """Which of a provider's keys: told by its `${NAME}`, whose secret may change."""
    return blake2b(reference.encode(), digest_size=4).hexdigest()


def _bound(tenant: str, what: What) -> list[bytes]:
    return [what.encode(), tenant.encode()]


def _unknown(what: What) -> NotFound:
    if what == "batch":
        return NotFound("There is no such batch.", code="batch_not_found")
    return NotFound("There is no such file.", code="file_not_found")


_BASE64 = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = msgspec.msgpack.Decoder(tuple[str, str, str, str])
