"""How a reply is kept for its retries: sealed, so that nobody opens it but who sends the same key and token again.

What names, opens and compares a record is derived (HKDF, RFC 5869) from the API token and the idempotency key, neither
of which is kept: whatever a tenant's content policy says, nothing of a call lies open for a day.
"""

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.live import Caller

_NONCE_BYTES = 12
_SALT = b"leeway idempotency 1"

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an idempotency key: whose it is, with which token, where it was sent, and its body."""

    caller: Caller
    token: str
    path: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply as a client was sent it, byte for byte."""

    status: int
    headers: Headers
    body: bytes


class Seal:
    """Names, compares and seals the record of one request's retries.

    Its scope is the tenant, the key and the path: the same idempotency key elsewhere is another.
    """

    def __init__(self, keyed: Keyed) -> None:
        caller = keyed.caller
        scope = f"{caller.tenant}\x1f{caller.key_id}\x1f{keyed.path}"
        secret = f"{keyed.token}\x1f{keyed.key}".encode()
        derived = HKDF(SHA256(), 96, _SALT, scope.encode()).derive(secret)
        self.name = f"idempotency/{derived[:32].hex()}"
        self.digest = hmac.digest(derived[32:64], keyed.body, sha256)
        self._cipher = AESGCM(derived[64:])

    def seal(self, reply: KeptReply) -> bytes:
        """The reply, closed, and bound to the body that it answers."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = msgspec.msgpack.encode((reply.status, list(reply.headers), reply.body))
        return nonce + self._cipher.encrypt(nonce, plain, self.digest)

    def open(self, sealed: bytes) -> KeptReply | None:
        """What was sealed; None when it was not sealed so, or has been changed since."""
        nonce, closed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, closed, self.digest)
        except (InvalidTag, ValueError):
            return None
        status, headers, body = _PLAIN.decode(plain)
        return KeptReply(status, headers, body)


_PLAIN = msgspec.msgpack.Decoder(tuple[int, list[tuple[bytes, bytes]], bytes])
