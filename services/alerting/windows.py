"""All sliding windows: each rule at each place, in memory, and as one stored blob a bucket."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson

from services.alerting.domain.rule import Place, Rule, When
from services.alerting.domain.tally import TALLIES, Cost, Sample, Tally
from services.alerting.domain.window import Window, counted_at

OTHER = "(other)"
IDLE_US = 3600 * 1_000_000


class Key(NamedTuple):
    """Which window: a rule's, at a place."""

    rule: str
    place: Place


@dataclass(frozen=True, slots=True)
class Staged:
    """Windows as a batch leaves them, not in force yet, and the blobs that differ."""

    windows: Mapping[Key, Window]
    states: Mapping[str, bytes | None]


class Windows:
    """The windows of the rules that have one.

    A batch is staged first and put in force when all else is done, so that a batch which fails
    halfway is counted once when it comes again. A tenant opens at most `max_places` places of a rule;
    what comes from further ones is counted as one model "(other)".
    """

    def __init__(self, rules: Iterable[Rule], max_places: int) -> None:
        self._rules = {rule.name: rule for rule in rules if rule.when in TALLIES}
        self._max_places = max_places
        self._windows: dict[Key, Window] = {}
        self._retired: list[str] = []

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over stored blobs; those of a rule that is gone, or counts otherwise now, are retired."""
        self._retired = []
        buckets: dict[Key, dict[int, Tally]] = {}
        for name, blob in states.items():
            rule_name, when, window_seconds, labels, index = orjson.loads(name)
            rule = self._rules.get(rule_name)
            if rule is None or (rule.when, rule.window_seconds) != (when, window_seconds):
                self._retired.append(name)
                continue
            key = Key(rule_name, Place(**labels))
            buckets.setdefault(key, {})[index] = TALLIES[rule.when].load(orjson.loads(blob))
        self._windows = {key: Window(self._rules[key.rule], each) for key, each in buckets.items()}

    def stage(self, samples: Sequence[Sample], now_us: int) -> Staged:
        """The windows that these samples change, as they will be, and those that fell idle, empty."""
        windows = {
            key: Window(window.rule)
            for key, window in self._windows.items()
            if window.ends_at_us + window.rule.window_seconds * 1_000_000 < now_us - IDLE_US
        }
        for key, taken in self._taken(samples, now_us).items():
            before = self._windows.get(key, Window(self._rules[key.rule]))
            windows[key] = before.adding(taken)
        states: dict[str, bytes | None] = dict.fromkeys(self._retired)
        for key, window in windows.items():
            states |= self._differences(key, window)
        return Staged(windows, states)

    def commit(self, staged: Staged) -> None:
        """Put staged windows in force."""
        self._retired = []
        for key, window in staged.windows.items():
            if window.buckets:
                self._windows[key] = window
            else:
                self._windows.pop(key, None)

    def _taken(self, samples: Sequence[Sample], now_us: int) -> Mapping[Key, list[Sample]]:
        """The samples by the windows that count them."""
        taken: dict[Key, list[Sample]] = {}
        open_places = Counter((key.rule, key.place.tenant) for key in self._windows)
        for sample in samples:
            at_us = counted_at(sample.at_us, now_us)
            if at_us is None:
                continue
            timed = sample if at_us == sample.at_us else replace(sample, at_us=at_us)
            for rule in self._rules.values():
                if not _counts(rule, sample):
                    continue
                key = Key(rule.name, sample.place.only(rule.group_by))
                if key not in taken and key not in self._windows:
                    if open_places[rule.name, sample.place.tenant] >= self._max_places:
                        key = Key(rule.name, Place(sample.place.tenant, model=OTHER))
                    open_places[rule.name, sample.place.tenant] += 1
                taken.setdefault(key, []).append(timed)
        return taken

    def _differences(self, key: Key, after: Window) -> Mapping[str, bytes | None]:
        """Blobs for the buckets that are new or gone; the others are shared, and known by identity."""
        before = self._windows[key].buckets if key in self._windows else {}
        gone = {_name(key, after.rule, index): None for index in before.keys() - after.buckets}
        return gone | {
            _name(key, after.rule, index): orjson.dumps(tally.dump())
            for index, tally in after.buckets.items()
            if before.get(index) is not tally
        }


def _counts(rule: Rule, sample: Sample) -> bool:
    """Whether the rule watches the tenant, and counts this kind of sample."""
    return rule.watches(sample.place.tenant) and (
        (rule.when is When.SPEND) == isinstance(sample, Cost)
    )


def _name(key: Key, rule: Rule, index: int) -> str:
    parts = [key.rule, rule.when, rule.window_seconds, key.place.labels(), index]
    return orjson.dumps(parts).decode()
