"""The record of an idempotency key: who asked it is running, or how it was answered; and what a retry makes of it."""

from dataclasses import dataclass
from enum import Enum

_DIGEST_BYTES = 32


class Phase(bytes, Enum):
    """How far the call of a key has come."""

    RUNNING = b"r"
    KEPT = b"k"  # answered, and the reply is kept
    LARGE = b"l"  # answered with more than is kept


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored under a key: the phase, the digest of the body that came first, the sealed reply."""

    phase: Phase
    digest: bytes
    sealed: bytes = b""

    def written(self) -> bytes:
        """The record as it is stored."""
        return self.phase.value + self.digest + self.sealed


def read_record(stored: bytes) -> Record:
    """The record that was stored.

    >>> read_record(Record(Phase.RUNNING, bytes(32)).written()).phase
    <Phase.RUNNING: b'r'>
    """
    rest = stored[1:]
    return Record(Phase(stored[:1]), rest[:_DIGEST_BYTES], rest[_DIGEST_BYTES:])


# Refusals of an upstream that may be none the next time; every other 4xx would be the same again.
_PASSING = frozenset((408, 409, 425, 429))


def is_kept(status: int, *, asked: bool) -> bool:
    """Whether a whole reply is given to later retries, too.

    One that had an effect is: an answer, or an upstream's lasting refusal. A failure is not, nor what was
    refused before an upstream was asked: then a retry is what its client wants, and it is asked anew.

    >>> [is_kept(status, asked=True) for status in (200, 400, 429, 502)]
    [True, True, False, False]
    >>> is_kept(422, asked=False)
    False
    """
    if 200 <= status < 300:
        return True
    return asked and 400 <= status < 500 and status not in _PASSING
