"""What became of every item, counted."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """What became of the items since this process began.

    `accepted` items were taken into memory, `pending` of them are there now. `sent` were stored by
    the server, `rejected` were refused by it (or too large to send), `dropped` were lost because
    memory and disk were full. `spooled` took the way over the disk, and `recovered` were found
    there from an earlier process; `invalid` calls had arguments that made no item.
    """

    accepted: int = 0
    pending: int = 0
    sent: int = 0
    rejected: int = 0
    spooled: int = 0
    recovered: int = 0
    dropped: int = 0
    invalid: int = 0


class Counters:
    """Counters that many threads add to."""

    def __init__(self) -> None:
        # A finalizer may count while this very thread is counting: the lock must be re-entrant.
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}

    def add(self, name: str, count: int = 1) -> int:
        """Add to the counter of that name in `Stats`; answers its new value."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + count
            return self._counts[name]

    def stats(self, pending: int) -> Stats:
        """The counts of this moment."""
        with self._lock:
            return Stats(pending=pending, **self._counts)
