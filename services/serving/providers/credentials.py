"""What lets the gateway in at a provider: its key, and the headers that its options add."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.live import Provider

Secret = Callable[[str], str]
"""The secret behind a `${NAME}` reference; raises `UpstreamFailed` when it is not set."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key (empty: none), the headers with names in lower case, and every secret among them."""

    key: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]

    def hidden_in(self, body: bytes) -> bytes:
        """A body without the secrets that some servers repeat in it."""
        for secret in self.secrets:
            body = body.replace(secret.encode(), b"***")
        return body


def key_references(entry: Provider) -> Sequence[str]:
    """The `${NAME}` references of a provider's keys: those of its option `api_keys`, else its `api_key`.

    One without a key has the empty reference alone.
    """
    given = entry.options.get("api_keys")
    many = tuple(map(str, given)) if isinstance(given, list | tuple) else ()
    return many or (entry.api_key,)


def credentials_of(entry: Provider, secret: Secret, chosen: int = 0) -> Credentials:
    """The credentials of a provider, its references resolved; `chosen` is which of its keys is sent.

    Every one of its keys is a secret that no reply may repeat. Raises `UpstreamFailed`.
    """
    keys, headers = [secret(reference) for reference in key_references(entry)], {}
    secrets = [key for key in keys if key]
    given = entry.options.get("headers")
    for name, value in given.items() if isinstance(given, dict) else ():
        written = str(value)
        if _REFERENCE.fullmatch(written):
            written = secret(written)
            secrets.append(written)
        headers[str(name).lower()] = written
    return Credentials(keys[chosen], headers, tuple(secrets))


_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
