"""A circuit breaker: an upstream that fails is left alone for a while, and then asked once to see.

The three states of Nygard, "Release It!" (2007), chapter 5; the minimum count and the consecutive failures are
those of Envoy's outlier detection.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.serving.routing.share import Share


class State(StrEnum):
    """Closed lets every call through, open none, half-open one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long.

    It opens when of at least `min_calls` calls of the window a share of `failure_rate` failed, or after
    `consecutive` failures without a success between them. Each time that it opens again without having closed
    it stays open for twice as long, up to `max_open_seconds`.
    """

    window_seconds: float = 30.0
    failure_rate: float = 0.5
    min_calls: int = 20
    consecutive: int = 10
    open_seconds: float = 5.0
    max_open_seconds: float = 60.0


class Breaker:
    """One upstream's breaker. Times are seconds of a clock that never goes back.

    A call that is let through has the number of the `round` in which it began; what comes of a call of an
    earlier round says nothing of this one.
    """

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._share = Share(limits.window_seconds)
        self._in_a_row = 0
        self._open_until: float | None = None
        self._opened = 0  # times without having closed
        self._trial = False
        self._round = 0

    def state(self, now: float) -> State:
        """The state at a time."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether a call would be let through."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and not self._trial)

    def opens_in(self, now: float) -> float:
        """Seconds until it may let a call through; 0 when the time has come."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def enter(self, now: float) -> int:
        """Let a call through that `admits` has admitted; its round."""
        self._trial = self.state(now) is State.HALF_OPEN
        return self._round

    def answers(self, began: int) -> None:
        """A call of a round is being answered: to a half-open breaker that is enough, however long it takes."""
        if self._trial and began == self._round:
            self._turn()
            self._opened, self._open_until = 0, None

    def succeed(self, began: int, now: float) -> None:
        """A call of a round was answered."""
        self.answers(began)
        if began == self._round:
            self._in_a_row = 0
            self._share.add(now, whole=1)

    def fail(self, began: int, now: float) -> None:
        """A call of a round failed by the upstream's fault."""
        if began != self._round:
            return
        self._in_a_row += 1
        self._share.add(now, whole=1, part=1)
        if self._trial or self._too_many(now):
            self._open(now)

    def forget(self, began: int) -> None:
        """A call of a round ended without saying anything of the upstream: its client left."""
        if began == self._round:
            self._trial = False

    def _too_many(self, now: float) -> bool:
        limits, calls = self._limits, self._share.whole_at(now)
        if self._in_a_row >= limits.consecutive:
            return True
        return calls >= limits.min_calls and (
            self._share.part_at(now) >= limits.failure_rate * calls
        )

    def _open(self, now: float) -> None:
        limits = self._limits
        seconds = min(limits.open_seconds * 2**self._opened, limits.max_open_seconds)
        self._turn()
        self._opened = min(self._opened + 1, _MOST_DOUBLINGS)
        self._open_until = now + seconds

    def _turn(self) -> None:
        """Begin a new round: what went before is forgotten, and calls of it are not heard."""
        self._round += 1
        self._trial = False
        self._in_a_row = 0
        self._share.clear()


_MOST_DOUBLINGS = 30
