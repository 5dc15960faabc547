"""When to try again: exponentially later, with jitter, so that a fleet does not come back at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Backoff:
    """Full jitter: after the n-th failure in a row, wait a random time up to `first * 2^(n-1)`.

    See Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015). At least half of
    `first` is always waited, so that a server which refuses at once is not hammered.
    """

    def __init__(
        self,
        first_seconds: float,
        longest_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - it spreads load, it keeps no secret
        self._failures = 0
        self._ready_at = 0.0

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    @property
    def remaining_seconds(self) -> float:
        """How long to wait before the next try."""
        return max(0.0, self._ready_at - self._clock())

    def fail(self, at_least_seconds: float = 0.0) -> None:
        """A try failed; the server may have said how long to stay away."""
        ceiling = min(self._longest, self._first * 2 ** min(self._failures, 30))
        self._failures += 1
        jittered = self._random.uniform(self._first / 2, max(ceiling, self._first / 2))
        self._ready_at = self._clock() + max(jittered, at_least_seconds)

    def succeed(self) -> None:
        """A try succeeded: the next failure is the first."""
        self._failures = 0
        self._ready_at = 0.0

    def hasten(self) -> None:
        """Somebody waits: the next try may be now."""
        self._ready_at = 0.0
