"""Meters and places in memory that the workers of one machine share: a mapped file, and a lock that ends with its holder.

A draw is a read and a write of a few bytes under `flock`, as in the shared zones of nginx's limit_req: no server, no
thread, and nothing is lost when a worker is killed. All that is zero is empty, so that a new file needs no beginning.

  holders   who may hold places: (id, until when it lives, microseconds); then how often any of them has beaten
  meters    (digest of the name, fill in two halves, at, per_minute), found by probing from the digest
  places    (digest of the name, how many each holder has)
"""

import fcntl
import mmap
import os
import secrets
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from services.serving.state.gcra import UNITS, conforms, drained
from services.serving.state.port import Change, Draw, Place, StateAway, Taken
from shared.clock import Clock

HOLDERS = 128  # 64 workers, and as many that take over from them
METERS = 32_768
PLACES = 2_048
_PROBES = 128  # of a name that this worker has not seen: of a table half full no more are needed
_LOOK_US = 100_000
_LOCK_TRIES = (
    20_000  # each gives the processor away: some milliseconds, where one of ours takes microseconds
)

_HOLDER = struct.Struct("<QQ")
_METER = struct.Struct("<16sQQQQ")
_COUNTS = struct.Struct(f"<16s{HOLDERS}I")
_COUNT = struct.Struct("<I")
_BEATS_AT = HOLDERS * _HOLDER.size
_METERS_AT = _BEATS_AT + 8
_PLACES_AT = _METERS_AT + METERS * _METER.size
_SIZE = _PLACES_AT + PLACES * _COUNTS.size
_EMPTY = bytes(16)
_LOW = (1 << 64) - 1


class SharedTable:
    """One worker's view of the table; satisfies `Meters`. Close it to unmap the file.

    Raises `OSError` when the file cannot be had whole: its room on the disk is reserved at the start.
    """

    def __init__(self, path: Path, clock: Clock, lease_seconds: float = 15.0) -> None:
        self._clock = clock
        self._lease_us = int(lease_seconds * 1_000_000)
        self._id = secrets.randbits(63) | 1
        self._place = -1  # among the holders; none before the first beat
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A page that the disk has no room for would be a signal, where it is written.
            os.posix_fallocate(self._file, 0, _SIZE)
            self._map = mmap.mmap(self._file, _SIZE)
        except OSError:
            os.close(self._file)
            raise
        self._seen: dict[
            str, int
        ] = {}  # where the entry of a name stood when it was last looked for
        self._alive: Sequence[int] = ()
        self._beats = b""
        self._looked_us = 0

    def close(self) -> None:
        """Unmap it; the places that are still held end with the lease."""
        self._map.close()
        os.close(self._file)

    async def take(self, draws: Sequence[Draw], places: Sequence[Place]) -> Taken:
        self._lock()
        try:
            now_us, admitted = self._now_us(), True
            meters, fills = [], []
            for draw in draws:
                at, fill = self._read(draw.name, draw.per_minute, now_us)
                meters.append(at)
                fills.append(fill)
                admitted = admitted and conforms(fill, draw.amount, draw.per_minute)
            if places and not self._lives(now_us):
                self._live_on(now_us)
            spots = [self._spot(place.name) for place in places]
            living = self._living(now_us) if spots else ()
            busy = [self._busy(spot, living) for spot in spots]
            for taken, place in zip(busy, places, strict=True):
                admitted = admitted and taken < place.limit
            if not admitted:
                return Taken(admitted=False, fills=fills, busy=busy)
            for index, draw in enumerate(draws):
                fills[index] += draw.amount * UNITS
                self._store(meters[index], draw, fills[index], now_us)
            for spot in spots:
                self._count(spot, 1)
            return Taken(admitted=True, fills=fills, busy=[taken + 1 for taken in busy])
        finally:
            self._unlock()

    async def give(self, changes: Sequence[Change], places: Sequence[str]) -> None:
        self._lock()
        try:
            now_us = self._now_us()
            for change in changes:
                at, fill = self._read(change.name, change.per_minute, now_us)
                self._store(at, change, max(0, fill + change.by), now_us)
            if places and self._holds():
                for name in places:
                    self._count(self._spot(name), -1)
        finally:
            self._unlock()

    async def beat(self) -> int:
        self._lock()
        try:
            now_us = self._now_us()
            self._live_on(now_us)
            return len(self._living(now_us))
        finally:
            self._unlock()

    def _lock(self) -> None:
        """Be alone. Raises `StateAway` when another worker does not let go: it may be frozen."""
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.sched_yield()
            else:
                return
        raise StateAway("another worker does not let go of its lock")

    def _unlock(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read(self, name: str, per_minute: int, now_us: int) -> tuple[int, int]:
        """Where the meter of a name stands, and its fill by now."""
        digest, at = _digest(name), self._seen.get(name, _METERS_AT)
        found, high, low, at_us, _ = _METER.unpack_from(self._map, at)
        if found != digest:
            at = self._seen[name] = self._meter(digest, now_us)
            found, high, low, at_us, _ = _METER.unpack_from(self._map, at)
        return at, drained(high << 64 | low, now_us - at_us, per_minute)

    def _meter(self, digest: bytes, now_us: int) -> int:
        """Where a meter stands, or will from now on: in room that was never used, or has run empty."""
        free = 0
        for at in _probed(digest, _METERS_AT, METERS, _METER.size):
            found, high, low, at_us, rate = _METER.unpack_from(self._map, at)
            if found == digest:
                return at
            if not free and not drained(high << 64 | low, now_us - at_us, rate):
                free = at
            if found == _EMPTY:
                break
        if not free:
            raise StateAway("there are more meters than its table has room for")
        _METER.pack_into(self._map, free, digest, 0, 0, 0, 0)
        return free

    def _store(self, at: int, meter: Draw | Change, fill: int, now_us: int) -> None:
        high, low = fill >> 64, fill & _LOW
        digest = _digest(meter.name)
        _METER.pack_into(self._map, at, digest, high, low, now_us, meter.per_minute)

    def _spot(self, name: str) -> int:
        """Where the places of a name are counted."""
        digest, at = _digest(name), self._seen.get(name, 0)
        if at and self._map[at : at + 16] == digest:
            return at
        free = 0
        for at in _probed(digest, _PLACES_AT, PLACES, _COUNTS.size):
            found = self._map[at : at + 16]
            if found == digest:
                self._seen[name] = at
                return at
            if not free and not any(_COUNTS.unpack_from(self._map, at)[1:]):
                free = at
            if found == _EMPTY:
                break
        if not free:
            raise StateAway("there are more limits of concurrency than its table has room for")
        self._map[free : free + 16] = digest
        self._seen[name] = free
        return free

    def _busy(self, spot: int, living: Sequence[int]) -> int:
        busy = 0
        for place in living:
            busy += _COUNT.unpack_from(self._map, spot + 16 + place * 4)[0]
        return busy

    def _count(self, spot: int, by: int) -> None:
        at = spot + 16 + self._place * 4
        _COUNT.pack_into(self._map, at, max(0, _COUNT.unpack_from(self._map, at)[0] + by))

    def _living(self, now_us: int) -> Sequence[int]:
        """The holders that live, looked up anew at every beat of any of them and every `_LOOK_US`.

        After a restart of the machine its clock begins anew: a lease that is longer than any is of before.
        """
        beats = self._map[_BEATS_AT : _BEATS_AT + 8]
        if beats != self._beats or not 0 <= now_us - self._looked_us < _LOOK_US:
            latest = now_us + self._lease_us
            holders = _HOLDER.iter_unpack(self._map[:_BEATS_AT])
            self._alive = [n for n, (_, until) in enumerate(holders) if now_us < until <= latest]
            self._beats, self._looked_us = beats, now_us
        return self._alive

    def _holds(self) -> bool:
        """Whether this worker's entry is still its own: who was frozen for longer than its lease may have lost it."""
        if self._place < 0:
            return False
        return int(_HOLDER.unpack_from(self._map, self._place * _HOLDER.size)[0]) == self._id

    def _lives(self, now_us: int) -> bool:
        """Whether what this worker takes is counted as of one that lives."""
        until = _HOLDER.unpack_from(self._map, max(0, self._place) * _HOLDER.size)[1]
        return self._holds() and now_us < until

    def _live_on(self, now_us: int) -> None:
        """Live for another lease from now."""
        if not self._holds():
            self._enter(now_us)
        until_us = now_us + self._lease_us
        _HOLDER.pack_into(self._map, self._place * _HOLDER.size, self._id, until_us)
        beats = int.from_bytes(self._map[_BEATS_AT : _BEATS_AT + 8], "little") + 1
        self._map[_BEATS_AT : _BEATS_AT + 8] = (beats & _LOW).to_bytes(8, "little")

    def _enter(self, now_us: int) -> None:
        """Take the entry of a holder that is dead, and free what it held."""
        living = set(self._living(now_us))
        self._place = next((place for place in range(HOLDERS) if place not in living), -1)
        if self._place < 0:
            raise StateAway("there are more workers than its table has room for")
        for number in range(PLACES):
            at = _PLACES_AT + number * _COUNTS.size + 16 + self._place * 4
            _COUNT.pack_into(self._map, at, 0)

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)


@lru_cache(maxsize=METERS)
def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()


def _probed(digest: bytes, begin: int, slots: int, size: int) -> Iterator[int]:
    """Where an entry may stand: its own slot, and those that follow it."""
    first = int.from_bytes(digest[:8], "little")
    return (begin + (first + probe) % slots * size for probe in range(_PROBES))
