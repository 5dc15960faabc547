"""The port of what several workers and replicas share; one contract suite holds every implementation to it.

Names are opaque texts. Nothing here is kept for ever: a value, a claim and a holder each end by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import Unavailable


class StateAway(Unavailable):
    """The shared state does not answer now; who asked decides what to do without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"What the gateway's workers share cannot be reached: {reason}.",
            retry_after_seconds=1.0,
            code="state_unavailable",
        )


@dataclass(frozen=True, slots=True)
class Claimed:
    """The outcome of a claim: ours under the token `fence`, or what was `found` in its place."""

    fence: int
    found: bytes | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """`amount` units wanted of a meter that lets `per_minute` pass, and as many at once when it is empty."""

    name: str
    amount: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Place:
    """One of `limit` places among what runs at the same time."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request for draws and places found, all of them together.

    `fills` and `busy` are, in the order asked, the fill of each meter (`gcra.py` says in which unit) and
    the places that are taken: after the taking when `admitted`, else as they stand.
    """

    admitted: bool
    fills: Sequence[int] = ()
    busy: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A correction of a meter's fill, in the unit of `gcra.py`: up by what was used beyond a draw, or down."""

    name: str
    per_minute: int
    by: int


class Values(Protocol):
    """Small values. Each method raises `StateAway`."""

    async def get(self, name: str) -> bytes | None:
        """The value, or None when there is none or its time has passed."""
        ...

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        """Keep a value for so long, in the place of any other, claimed or not."""
        ...

    async def drop(self, name: str) -> None:
        """Forget a value."""
        ...


class Claims(Protocol):
    """Values with one owner at a time. Each method raises `StateAway`.

    A claim is a lock with a lease: it ends after its seconds unless its owner replaces it in time. Each has a
    fence, larger than that of every earlier claim of its name; who lost the claim can change nothing any more.
    """

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        """Put the value there if nothing is; of any number who claim at once, one gets it."""
        ...

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        """Put another value in the place of our own claim, for so long from now; False when it is not ours."""
        ...

    async def release(self, name: str, fence: int) -> bool:
        """Give our own claim up; False when it is not ours."""
        ...


class Meters(Protocol):
    """Meters of what passes per minute, and places of what runs at once.

    A place belongs to a holder, which is one life of one worker: it lives from the first that it takes, `beat`
    keeps it alive, and the places of a holder that has not beaten for its lease are free again. Every method but `beat` is for the hot path.
    """

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        """Every draw and every place, or none of them. Raises `StateAway`."""
        ...

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        """Correct meters, and leave places that this holder took. Raises `StateAway`."""
        ...

    async def beat(self) -> int:
        """Say that this holder lives; how many do, itself included. Raises `StateAway`."""
        ...


class State(Values, Claims, Meters, Protocol):
    """All of it."""
