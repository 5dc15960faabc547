"""Series of the metrics of this process over a test's time, and whether a rule's condition has held in them.

Of PromQL it knows what the rules about groups say: sums and maxima by label, rates and increases of
counters that do not begin anew, comparisons with a number, and `and`.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from prometheus_client import REGISTRY
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    NumberLiteral,
    VectorSelector,
    parse,
)

Labels = frozenset[tuple[str, str]]
Vector = Mapping[Labels, float]

_STALE_SECONDS = 300.0
_COMPARES = {">": operator.gt, "==": operator.eq, "<": operator.lt}
_AGGREGATES: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max}


class Series:
    """What was scraped: the samples of one metric are its times and values."""

    def __init__(self, only: Mapping[str, str]) -> None:
        self._only = only.items()
        self._samples: dict[str, dict[Labels, list[tuple[float, float]]]] = {}
        self._times: list[float] = []

    def scrape(self, at_seconds: float) -> None:
        """Take down all that has these labels."""
        self._times.append(at_seconds)
        for metric in REGISTRY.collect():
            for sample in metric.samples:
                if self._only <= sample.labels.items():
                    each = self._samples.setdefault(sample.name, defaultdict(list))
                    each[frozenset(sample.labels.items())].append((at_seconds, sample.value))

    def has_held(self, expression: str, *, minutes: int) -> bool:
        """Whether it held at every scrape of the last minutes."""
        if not self._times:
            return False
        query, since = parse(expression), self._times[-1] - timedelta(minutes=minutes).seconds
        return all(self._at(query, at) for at in self._times if at >= since)

    def _at(self, query: Expr, at: float) -> Vector:
        match query:
            case BinaryExpr() if str(query.op) == "and":
                left, right = self._at(query.lhs, at), self._at(query.rhs, at)
                return {labels: value for labels, value in left.items() if labels in right}
            case BinaryExpr() if isinstance(query.rhs, NumberLiteral):
                holds, limit = _COMPARES[str(query.op)], query.rhs.val
                left = self._at(query.lhs, at)
                return {labels: value for labels, value in left.items() if holds(value, limit)}
            case AggregateExpr():
                return self._aggregate(query, at)
            case Call():
                return self._rate(query, at)
            case VectorSelector():
                found = self._within(query.name or "", at, _STALE_SECONDS)
                return {labels: samples[-1][1] for labels, samples in found.items()}
        raise NotImplementedError(str(query))

    def _aggregate(self, query: AggregateExpr, at: float) -> Vector:
        parts: dict[Labels, list[float]] = defaultdict(list)
        by = query.modifier.labels if query.modifier else []
        for labels, value in self._at(query.expr, at).items():
            parts[frozenset((k, v) for k, v in labels if k in by)].append(value)
        return {labels: _AGGREGATES[str(query.op)](values) for labels, values in parts.items()}

    def _rate(self, query: Call, at: float) -> Vector:
        [window] = query.args
        seconds = window.range.total_seconds()
        grown = {
            labels: (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
            for labels, samples in self._within(window.vector_selector.name, at, seconds).items()
            if len(samples) > 1
        }
        part = {"rate": 1.0, "increase": seconds}[query.func.name]
        return {labels: value * part for labels, value in grown.items()}

    def _within(
        self, name: str, at: float, seconds: float
    ) -> Mapping[Labels, list[tuple[float, float]]]:
        """The samples of a metric in the window that ends then, where there are any."""
        return {
            labels: found
            for labels, samples in self._samples.get(name, {}).items()
            if (found := [sample for sample in samples if at - seconds <= sample[0] <= at])
        }
