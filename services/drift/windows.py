"""Tumbling windows: how each stream looked, stretch by stretch of its own time, whether anything is told of it or not."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import orjson

from services.drift.domain import Observation, StreamKey

PREFIX = "windows-of/"
_NEVER = -(2**63)  # before every time


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows of a stream in order, and what its detector found of each: NaN where none watched."""

    key: StreamKey
    rows: Sequence[Observation]
    statistics: Sequence[float]
    threshold: float


@dataclass(slots=True)
class Window:
    """The rows of a stream in one stretch of time, added up.

    `opened_by` is the event that its first row was read from. Rows of vectors have no numbers: `total`, `lowest`
    and `highest` are 0. `strangeness` is the sum of the statistics of the `watched` rows, and `strangest` the
    largest; `threshold` is what the last of them had to pass.
    """

    begins_at_us: int
    seconds: int
    opened_by: str
    rows: int = 0
    total: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    watched: int = 0
    strangeness: float = 0.0
    strangest: float = 0.0
    threshold: float = 0.0

    def count(self, number: float) -> None:
        """One more row, with its number."""
        self.total += number
        self.lowest = min(self.lowest, number) if self.rows else number
        self.highest = max(self.highest, number) if self.rows else number
        self.rows += 1

    def watch(self, statistic: float, threshold: float) -> None:
        """The row that was counted last was watched."""
        self.strangeness += statistic
        self.strangest = max(self.strangest, statistic) if self.watched else statistic
        self.watched += 1
        self.threshold = threshold

    def sums(self) -> tuple[str | float, ...]:
        """The fields in their order: `Window` makes them a window again."""
        counted = (self.rows, self.total, self.lowest, self.highest)
        watched = (self.watched, self.strangeness, self.strangest, self.threshold)
        return (self.begins_at_us, self.seconds, self.opened_by, *counted, *watched)


@dataclass(frozen=True, slots=True)
class Measured:
    """A window of a stream that is closed, and how many rows came too late for theirs since the last one."""

    key: StreamKey
    window: Window
    late_rows: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How windows are cut, all in event time.

    A window closes when a row of its stream is later than its end by `grace_seconds`, or one of its tenant by
    `quiet_seconds`; its rows that come afterwards are late. Of one tenant `most_of_tenant` streams are measured:
    the windows of the place that was asked least recently are closed before their time.
    """

    window_seconds: int = 60
    grace_seconds: float = 60.0
    quiet_seconds: float = 900.0
    most_of_tenant: int = 500


_Stretch = tuple[int, int]  # when a window begins, and its seconds, which may have been set anew


@dataclass(slots=True)
class _Track:
    """A stream: its latest time, the time before which its windows are closed, late rows, and the open windows."""

    newest_at_us: int
    closed_until_us: int = _NEVER
    late: int = 0
    windows: dict[_Stretch, Window] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Where:
    """The streams of one model in one environment: a call feeds most of them, so they are one state."""

    tenant: str
    model: str
    environment: str

    @property
    def name(self) -> str:
        parts = (self.tenant, self.model, self.environment)
        return PREFIX + "/".join(quote(part, safe="") for part in parts)


_Tracks = dict[tuple[str, str], _Track]  # by feature and variant


class Windows:
    """The open windows of every stream; what a batch changes of them is one state for each place it spoke of."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._width_us = terms.window_seconds * 1_000_000
        self._tenants: defaultdict[str, OrderedDict[_Where, _Tracks]] = defaultdict(OrderedDict)
        self._newest: dict[str, int] = {}

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Begin anew from the stored states; the places in the order of their latest times."""
        self._tenants.clear()
        self._newest.clear()
        stored = {
            _Where(*map(unquote, name.removeprefix(PREFIX).split("/"))): _load(blob)
            for name, blob in states.items()
            if name.startswith(PREFIX)
        }
        for where in sorted(stored, key=lambda where: _newest(stored[where])):
            self._tenants[where.tenant][where] = stored[where]
            self._newest[where.tenant] = _newest(stored[where])

    def observe(
        self, readings: Iterable[Reading], now_us: int
    ) -> tuple[list[Measured], dict[str, bytes | None]]:
        """Add rows: the windows that they closed, and the states that changed. No row counts as later than now."""
        changed: set[_Where] = set()
        for reading in readings:
            changed.add(self._add(reading, now_us))
        measured: list[Measured] = []
        for tenant in sorted({where.tenant for where in changed}):
            measured += self._close(tenant, changed) + self._make_room(tenant, changed)
        return measured, {
            where.name: _dump(self._tenants[where.tenant].get(where)) for where in changed
        }

    def _add(self, reading: Reading, now_us: int) -> _Where:
        key, seconds = reading.key, self._terms.window_seconds
        where = _Where(key.tenant, key.model, key.environment)
        places = self._tenants[key.tenant]
        tracks = places.setdefault(where, {})
        places.move_to_end(where)
        track = tracks.setdefault((key.feature, key.variant), _Track(_NEVER))
        for row, statistic in zip(reading.rows, reading.statistics, strict=True):
            at_us = min(row.at_us, now_us)
            begins = at_us - at_us % self._width_us
            if begins < track.closed_until_us:
                track.late += 1
                continue
            window = track.windows.get((begins, seconds))
            if window is None:
                window = Window(begins, seconds, row.event_id)
                track.windows[begins, seconds] = window
            window.count(row.value if isinstance(row.value, float) else 0.0)
            if not math.isnan(statistic):
                window.watch(statistic, reading.threshold)
            track.newest_at_us = max(track.newest_at_us, at_us)
        self._newest[key.tenant] = max(self._newest.get(key.tenant, _NEVER), track.newest_at_us)
        return where

    def _close(self, tenant: str, changed: set[_Where]) -> list[Measured]:
        """Close what is over in all places of a tenant; those that are not in `changed` and lose a window join it."""
        quiet_us = self._newest[tenant] - round(self._terms.quiet_seconds * 1e6)
        measured: list[Measured] = []
        for where, tracks in self._tenants[tenant].items():
            for name, track in tracks.items():
                over = self._over(track, quiet_us) if track.windows else []
                if over:
                    changed.add(where)
                    measured += [_told(where, name, track, stretch) for stretch in over]
        return measured

    def _over(self, track: _Track, quiet_us: int) -> list[_Stretch]:
        """Which of a stream's windows are over; those before them can be opened no more."""
        until = max(track.newest_at_us - round(self._terms.grace_seconds * 1e6), quiet_us)
        track.closed_until_us = max(track.closed_until_us, until - until % self._width_us)
        return sorted(
            (begins, seconds)
            for begins, seconds in track.windows
            if begins + seconds * 1_000_000 <= track.closed_until_us
        )

    def _make_room(self, tenant: str, changed: set[_Where]) -> list[Measured]:
        places = self._tenants[tenant]
        measured: list[Measured] = []
        while len(places) > 1 and sum(map(len, places.values())) > self._terms.most_of_tenant:
            where, tracks = places.popitem(last=False)
            changed.add(where)
            for name, track in tracks.items():
                measured += [_told(where, name, track, each) for each in sorted(track.windows)]
        return measured


def _told(where: _Where, name: tuple[str, str], track: _Track, stretch: _Stretch) -> Measured:
    key = StreamKey(where.tenant, where.model, where.environment, *name)
    measured = Measured(key, track.windows.pop(stretch), track.late)
    track.late = 0
    return measured


def _newest(tracks: _Tracks) -> int:
    return max(track.newest_at_us for track in tracks.values())


def _dump(tracks: _Tracks | None) -> bytes | None:
    """The tracks of a place as they are stored; None when it is forgotten."""
    if tracks is None:
        return None
    return orjson.dumps(
        [
            [*name, track.newest_at_us, track.closed_until_us, track.late]
            + [window.sums() for window in track.windows.values()]
            for name, track in tracks.items()
        ]
    )


def _load(blob: bytes) -> _Tracks:
    return {
        (feature, variant): _Track(
            newest, until, late, {(window[0], window[1]): Window(*window) for window in windows}
        )
        for feature, variant, newest, until, late, *windows in orjson.loads(blob)
    }
