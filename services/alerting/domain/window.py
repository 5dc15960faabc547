"""Sliding windows over event time: a fact counts when it happened, not when it was heard of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.alerting.domain.rule import Place, Rule
from services.alerting.domain.tally import TALLIES, Sample, Tally

BUCKETS_PER_WINDOW = 60
SKEW_US = 300 * 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """The last `window_seconds` of a rule at one place, in 60 buckets; a new value for every change.

    The window ends with the bucket of the newest fact. Buckets that a change does not touch are shared
    with the window before it, so that what is new can be told by identity.
    """

    rule: Rule
    buckets: Mapping[int, Tally] = field(default_factory=dict)

    @property
    def width_us(self) -> int:
        """The width of a bucket."""
        return self.rule.window_seconds * 1_000_000 // BUCKETS_PER_WINDOW

    @property
    def head(self) -> int:
        """The newest bucket; -1 when there is none."""
        return max(self.buckets, default=-1)

    @property
    def ends_at_us(self) -> int:
        """The end of the newest bucket."""
        return (self.head + 1) * self.width_us

    def adding(self, samples: Iterable[Sample]) -> "Window":
        """The window with these samples counted, and without the buckets that slid out of it."""
        kind = TALLIES[self.rule.when]
        fresh: dict[int, Tally] = {}
        for sample in samples:
            fresh.setdefault(sample.at_us // self.width_us, kind()).add(sample)
        merged = dict(self.buckets)
        for index, tally in fresh.items():
            if index in self.buckets:
                tally.merge(self.buckets[index])
            merged[index] = tally
        oldest = max(merged, default=0) - BUCKETS_PER_WINDOW
        return Window(self.rule, {i: tally for i, tally in merged.items() if i > oldest})

    def total(self) -> Tally:
        """Everything in the window."""
        total = TALLIES[self.rule.when]()
        for tally in self.buckets.values():
            total.merge(tally)
        return total


@dataclass(frozen=True, slots=True)
class Breach:
    """A window over its rule's threshold. `cause` names the bucket that it ended with."""

    rule: Rule
    place: Place
    cause: str
    ends_at_us: int
    total: Tally


def breach(window: Window, place: Place, now_us: int, lateness_us: int) -> Breach | None:
    """The breach that the window shows, if it shows one that is not old news.

    A window that ended more than `lateness_us` ago says nothing about now: nobody is woken for what
    a backlog tells.
    """
    if window.ends_at_us < now_us - lateness_us:
        return None
    total = window.total()
    rule = window.rule
    if total.count < rule.minimum_count or total.value() < rule.threshold:
        return None
    cause = f"{rule.dedupe_key(place)}/{window.head}"
    return Breach(rule, place, cause, min(window.ends_at_us, now_us), total)


def counted_at(at_us: int, now_us: int) -> int | None:
    """The time that a fact counts at: its own, but never ahead of now; None when its clock is broken.

    A fact from the future would be a window's newest, and push everything true out of it.
    """
    return min(at_us, now_us) if 0 <= at_us <= now_us + SKEW_US else None
