"""The limiter: takes what a call needs of every limit at once, or says which is reached and for how long."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from services.serving.limits.bounds import Bound, Bounds
from services.serving.limits.headers import limit_headers
from services.serving.state.gcra import UNITS, conforms, wait_us
from services.serving.state.memory import MemoryState
from services.serving.state.port import Change, Draw, Meters, Place, StateAway, Taken
from shared.clock import Clock, pause
from shared.errors import Limited
from shared.metrics import LIMITED, LIMITS_DEGRADED

BEAT_SECONDS = 5.0
# When a call ends nobody knows: whoever asks again after this costs little.
PLACE_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Wording:
    """How a refusal says what there is too much of."""

    what: str
    code: str


_WORDINGS = {
    "requests": _Wording("requests a minute", code="rate_limit_exceeded"),
    "tokens": _Wording("tokens a minute", code="tokens_limit"),
    "places": _Wording("calls at the same time", code="concurrency_limit"),
}


@dataclass(slots=True)
class Held:
    """What a call holds of its limits until it has ended.

    `meters` is where it was taken. `token_fills` are the token meters' fills with it in them, at `at` seconds.
    """

    meters: Meters
    bounds: Bounds
    draws: Sequence[Draw]
    token_fills: Sequence[int]
    at: float
    headers: dict[str, str]


class Limiter:
    """One worker's limits over what all workers share; open it before use, and run it.

    While the shared meters are away it holds every limit by itself, to the share of as many workers as were
    alive when they last answered: over all of them the limit stays what it is, though one worker may refuse
    what another had left.
    """

    def __init__(self, meters: Meters, clock: Clock) -> None:
        self._meters = meters
        self._alone = MemoryState(clock, lease_seconds=math.inf)
        self._clock = clock
        self._workers = 1
        self._owed: Counter[str] = Counter()  # places to leave as soon as the meters answer

    async def __aenter__(self) -> Self:
        await self._alone.beat()
        await self._beat()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What is still held ends with its lease."""

    async def run(self, stop: asyncio.Event) -> None:
        """Say that this worker lives until `stop` is set."""
        while not stop.is_set():
            await pause(self._clock, BEAT_SECONDS, stop)
            await self._beat()

    async def take(self, bounds: Bounds, tokens: int) -> Held:
        """What a call of so many tokens needs, taken of every limit. Raises `Limited`: nothing is taken then.

        A call of more tokens than a meter holds waits until it is empty, and leaves it in debt.
        """
        draws = [*bounds.request_draws, *(_token_draw(each, tokens) for each in bounds.tokens)]
        places, meters = bounds.wanted_places, self._meters
        try:
            taken = await meters.take(draws, places)
        except StateAway:
            LIMITS_DEGRADED.inc()
            meters, draws = self._alone, [self._share(draw) for draw in draws]
            places = [replace(each, limit=self._shared(each.limit)) for each in places]
            taken = await meters.take(draws, places)
        headers = _headers(bounds, draws, taken)
        if not taken.admitted:
            raise _refusal(bounds, draws, places, taken, headers)
        fills = taken.fills[len(bounds.requests) :]
        return Held(meters, bounds, draws, fills, self._clock.monotonic(), headers)

    async def undo(self, held: Held) -> None:
        """Give everything back: nothing was asked."""
        changes = [Change(draw.name, draw.per_minute, -draw.amount * UNITS) for draw in held.draws]
        await self._give(held, changes)

    async def settle(self, held: Held, tokens: int) -> None:
        """The call has ended, and used so many tokens."""
        first = len(held.bounds.requests)
        drained_us = int((self._clock.monotonic() - held.at) * 1_000_000)
        changes = [
            Change(draw.name, draw.per_minute, _correction(draw, tokens, fill, drained_us))
            for draw, fill in zip(held.draws[first:], held.token_fills, strict=True)
        ]
        await self._give(held, [change for change in changes if change.by])

    async def _give(self, held: Held, changes: Sequence[Change]) -> None:
        names = held.bounds.place_names
        if not changes and not names:
            return
        try:
            await held.meters.give(changes, names)
        except StateAway:
            self._owed.update(names)

    async def _beat(self) -> None:
        try:
            self._workers = max(1, await self._meters.beat())
            while self._owed:
                names = list(self._owed)
                await self._meters.give((), names)
                self._owed -= Counter(names)
        except StateAway:
            return  # told and counted where it happened; calls are held to this worker's share

    def _share(self, draw: Draw) -> Draw:
        per_minute = self._shared(draw.per_minute)
        return Draw(draw.name, min(draw.amount, per_minute), per_minute)

    def _shared(self, limit: int) -> int:
        """This worker's part of a limit: at least 1, unless the limit is 0."""
        return min(limit, max(1, limit // self._workers))


def _token_draw(bound: Bound, tokens: int) -> Draw:
    return Draw(bound.name, min(tokens, bound.limit), bound.limit)


def _correction(draw: Draw, tokens: int, fill: int, drained_us: int) -> int:
    """By how much a fill changes once it is known what a call used.

    What was drawn for nothing is given back as far as it can still be there: what has drained has let others
    pass already.
    """
    difference = (tokens - draw.amount) * UNITS
    if difference >= 0:
        return difference
    return -min(-difference, max(0, fill - drained_us * draw.per_minute))


def _headers(bounds: Bounds, draws: Sequence[Draw], taken: Taken) -> dict[str, str]:
    limits, split = [draw.per_minute for draw in draws], len(bounds.requests)
    return {
        **limit_headers("requests", limits[:split], taken.fills[:split]),
        **limit_headers("tokens", limits[split:], taken.fills[split:]),
    }


def _refusal(
    bounds: Bounds,
    draws: Sequence[Draw],
    places: Sequence[Place],
    taken: Taken,
    headers: dict[str, str],
) -> Limited:
    """The refusal by the limit that lasts longest: who waits for it is let in by the others, too."""
    metered = zip((*bounds.requests, *bounds.tokens), draws, taken.fills, strict=True)
    reached = [
        (wait_us(fill, draw.amount, draw.per_minute) / 1_000_000, bound)
        for bound, draw, fill in metered
        if not conforms(fill, draw.amount, draw.per_minute)
    ]
    occupied = zip(bounds.places, places, taken.busy, strict=True)
    reached += [(PLACE_WAIT_SECONDS, each) for each, place, busy in occupied if busy >= place.limit]
    seconds, bound = max(reached, key=lambda each: each[0])
    wording = _WORDINGS[bound.what]
    LIMITED.labels(bound.what, bound.of).inc()
    return Limited(
        f"The {bound.of} {bound.whose!r} may have {bound.limit} {wording.what}: try again in {seconds:.3f} s.",
        retry_after_seconds=seconds,
        code=wording.code,
        headers=headers,
    )
