"""The state of one process, in its memory: what a worker alone needs, and what it falls back to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from services.serving.state.gcra import UNITS, conforms, drained
from services.serving.state.port import Change, Claimed, Draw, Place, Taken
from shared.clock import Clock

_SWEEP_EVERY = 256  # writes


@dataclass(slots=True)
class _Value:
    value: bytes
    fence: int
    ends_at: float


@dataclass(slots=True)
class _Meter:
    fill: int
    at_us: int


@dataclass(slots=True)
class Memory:
    """What the holders of one process share."""

    values: dict[str, _Value] = field(default_factory=dict)
    meters: dict[str, _Meter] = field(default_factory=dict)
    places: dict[str, dict[int, int]] = field(default_factory=dict)  # by name and holder
    beats: dict[int, float] = field(default_factory=dict)  # by holder, until when it lives
    fences: "count[int]" = field(default_factory=lambda: count(1))
    holders: "count[int]" = field(default_factory=lambda: count(1))
    writes: int = 0


class MemoryState:
    """One holder of a memory; satisfies `State`, and never raises."""

    def __init__(
        self, clock: Clock, memory: Memory | None = None, lease_seconds: float = 15.0
    ) -> None:
        self._clock = clock
        self._memory = memory or Memory()
        self._lease_seconds = lease_seconds
        self._holder = next(self._memory.holders)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to close."""

    async def get(self, name: str) -> bytes | None:
        held = self._living(name)
        return held.value if held is not None else None

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        self._write(name, value, next(self._memory.fences), seconds)

    async def drop(self, name: str) -> None:
        self._memory.values.pop(name, None)

    async def claim(self, name: str, value: bytes, seconds: float) -> Claimed:
        held = self._living(name)
        if held is not None:
            return Claimed(held.fence, held.value)
        fence = next(self._memory.fences)
        self._write(name, value, fence, seconds)
        return Claimed(fence)

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        held = self._living(name)
        if held is None or held.fence != fence:
            return False
        self._write(name, value, fence, seconds)
        return True

    async def release(self, name: str, fence: int) -> bool:
        held = self._living(name)
        if held is None or held.fence != fence:
            return False
        del self._memory.values[name]
        return True

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        if places and self._memory.beats.get(self._holder, 0.0) <= self._clock.monotonic():
            await self.beat()
        now_us = self._now_us()
        meters = [self._meter(draw.name, draw.per_minute, now_us) for draw in draws]
        busy = [self._busy(place.name) for place in places]
        admitted = all(
            conforms(meter.fill, draw.amount, draw.per_minute)
            for meter, draw in zip(meters, draws, strict=True)
        ) and all(taken < place.limit for taken, place in zip(busy, places, strict=True))
        if admitted:
            for meter, draw in zip(meters, draws, strict=True):
                meter.fill += draw.amount * UNITS
            for place in places:
                held = self._memory.places.setdefault(place.name, {})
                held[self._holder] = held.get(self._holder, 0) + 1
            busy = [taken + 1 for taken in busy]
        return Taken(admitted, [meter.fill for meter in meters], busy)

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        now_us = self._now_us()
        for change in changes:
            meter = self._meter(change.name, change.per_minute, now_us)
            meter.fill = max(0, meter.fill + change.by)
        for name in places:
            held = self._memory.places.get(name, {})
            held[self._holder] = held.get(self._holder, 0) - 1
            if held[self._holder] <= 0:
                del held[self._holder]

    async def beat(self) -> int:
        now = self._clock.monotonic()
        self._memory.beats[self._holder] = now + self._lease_seconds
        for holder in [each for each, until in self._memory.beats.items() if until <= now]:
            del self._memory.beats[holder]
            for held in self._memory.places.values():
                held.pop(holder, None)
        return len(self._memory.beats)

    def _living(self, name: str) -> _Value | None:
        held = self._memory.values.get(name)
        return held if held is not None and held.ends_at > self._clock.monotonic() else None

    def _write(self, name: str, value: bytes, fence: int, seconds: float) -> None:
        memory, now = self._memory, self._clock.monotonic()
        memory.values[name] = _Value(value, fence, now + seconds)
        memory.writes += 1
        if memory.writes % _SWEEP_EVERY == 0:
            memory.values = {n: held for n, held in memory.values.items() if held.ends_at > now}

    def _meter(self, name: str, per_minute: int, now_us: int) -> _Meter:
        """The meter, drained until now."""
        meter = self._memory.meters.get(name)
        if meter is None:
            meter = self._memory.meters[name] = _Meter(0, now_us)
        meter.fill = drained(meter.fill, now_us - meter.at_us, per_minute)
        meter.at_us = now_us
        return meter

    def _busy(self, name: str) -> int:
        held, now = self._memory.places.get(name), self._clock.monotonic()
        if not held:
            return 0
        beats = self._memory.beats
        return sum(taken for holder, taken in held.items() if beats.get(holder, 0.0) > now)

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)
